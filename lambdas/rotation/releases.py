"""The deployments that move traffic between two target groups, of which no other means ends all."""

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from gantry_runtime.clock import Clock

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient
    from types_boto3_ecs.type_defs import ServiceDeploymentTypeDef

# Until then every request goes to the old tasks:
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html
_STARTING = frozenset({"RECONCILE_SERVICE", "PRE_SCALE_UP", "SCALE_UP"})
_DESCRIBABLE = 20  # DescribeServiceDeployments takes no more


class Releases:
    """Stops a release whose tasks do not get healthy in time.

    A task that ends at once is never a target of the load balancer, so that no deployment alarm sees it, and
    AWS's pages contradict each other on whether the circuit breaker serves these strategies. Each stage may
    take 24 hours.

    Parameters
    ----------
    client
        Of ECS.
    cluster, service
        Their names.
    limit
        How long the new tasks may take until all of them are healthy.
    clock
        Clock.
    logger
        Gets what was done.
    """

    def __init__(
        self,
        client: "ECSClient",
        *,
        cluster: str,
        service: str,
        limit: timedelta,
        clock: Clock,
        logger: Logger,
    ) -> None:
        self._client, self._cluster, self._service = client, cluster, service
        self._limit, self._clock, self._logger = limit, clock, logger

    def stop_overdue(self) -> list[str]:
        """Roll back what has not started in time; return the ARNs of those deployments. Safe to repeat."""
        overdue = [each["serviceDeploymentArn"] for each in self._in_progress() if self._is_overdue(each)]
        for arn in overdue:
            # The functions of the other secrets see the same release at the same time.
            with suppress(
                self._client.exceptions.ConflictException,
                self._client.exceptions.ServiceDeploymentNotFoundException,
            ):
                self._client.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
                self._logger.warning("a release did not start in time", extra={"deployment": arn})
        return overdue

    def _in_progress(self) -> "list[ServiceDeploymentTypeDef]":
        briefs = self._client.list_service_deployments(
            cluster=self._cluster,
            service=self._service,
            status=["PENDING", "IN_PROGRESS"],
            maxResults=_DESCRIBABLE,
        )["serviceDeployments"]
        if not briefs:
            return []
        arns = [each["serviceDeploymentArn"] for each in briefs]
        return self._client.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]

    def _is_overdue(self, release: "ServiceDeploymentTypeDef") -> bool:
        # Without a revision before it, there is nothing to go back to.
        return (
            release.get("deploymentConfiguration", {}).get("strategy", "ROLLING") != "ROLLING"
            and release.get("lifecycleStage", "PRE_SCALE_UP") in _STARTING
            and bool(release.get("sourceServiceRevisions"))
            and self._clock.now() > release.get("startedAt", release["createdAt"]) + self._limit
        )
