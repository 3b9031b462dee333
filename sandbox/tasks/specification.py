"""What a service should look like, read from documents in the shapes of the ECS and ELB APIs."""

import dataclasses
import enum
import math
from collections.abc import Sequence
from typing import Self

from contract.service import HEALTH_PATH
from sandbox.tasks.definition import ContainerDefinition, Document, TaskDefinition
from sandbox.tasks.traffic import Step, steps_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class TargetGroup:
    """The target group that a service's tasks are registered in, and how it checks their health.

    Attributes
    ----------
    arn
        The target group's ARN, the key of its targets in the load balancer.
    health_check_path
        Path that answers with a status from 200 to 299 when the task is healthy.
    deregistration_delay
        Seconds that requests in flight have to end on a task that is taken out.
    """

    arn: str
    health_check_path: str = HEALTH_PATH
    health_check_interval: float = 30
    health_check_timeout: float = 5
    unhealthy_threshold: int = 2
    deregistration_delay: float = 300

    @classmethod
    def from_api(cls, document: Document, attributes: Sequence[Document] = ()) -> Self:
        """Read what `DescribeTargetGroups` and `DescribeTargetGroupAttributes` return for a target group."""
        values = {each["Key"]: each["Value"] for each in attributes}
        return cls(
            arn=document["TargetGroupArn"],
            health_check_path=document.get("HealthCheckPath") or "/",
            health_check_interval=float(document.get("HealthCheckIntervalSeconds") or 30),
            health_check_timeout=float(document.get("HealthCheckTimeoutSeconds") or 5),
            unhealthy_threshold=int(document.get("UnhealthyThresholdCount") or 2),
            deregistration_delay=float(values.get("deregistration_delay.timeout_seconds", 300)),
        )


class ThresholdType(enum.StrEnum):
    """How the circuit breaker's value becomes a number of failures."""

    COUNT = "COUNT"
    BOUNDED_PERCENT = "BOUNDED_PERCENT"
    UNBOUNDED_PERCENT = "UNBOUNDED_PERCENT"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CircuitBreaker:
    """The deployment circuit breaker (`DeploymentCircuitBreaker` of the ECS API)."""

    enable: bool = False
    rollback: bool = False
    reset_on_healthy_task: bool = True
    threshold_type: ThresholdType = ThresholdType.BOUNDED_PERCENT
    threshold_value: int = 50

    @classmethod
    def from_api(cls, document: Document) -> Self:
        """Read `deploymentConfiguration.deploymentCircuitBreaker`."""
        threshold = document.get("thresholdConfiguration") or {}
        return cls(
            enable=document.get("enable", False),
            rollback=document.get("rollback", False),
            reset_on_healthy_task=document.get("resetOnHealthyTask", True),
            threshold_type=ThresholdType(threshold.get("type", "BOUNDED_PERCENT")),
            threshold_value=int(threshold.get("value", 50)),
        )

    def threshold(self, desired_count: int) -> int:
        """Return the number of failed tasks that fails a deployment.

        By default half of the desired count, rounded up, but no fewer than 3 and no more than 200 ("How the
        Amazon ECS deployment circuit breaker detects failures" in the ECS developer guide).
        """
        if self.threshold_type is ThresholdType.COUNT:
            return max(1, self.threshold_value)
        share = math.ceil(self.threshold_value * desired_count / 100)
        if self.threshold_type is ThresholdType.UNBOUNDED_PERCENT:
            return max(1, share)
        return min(200, max(3, share))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceSpec:
    """What a service should look like.

    Attributes
    ----------
    minimum_healthy_percent, maximum_percent
        Bounds on the number of tasks during a deployment, in percent of the desired count; the number of
        tasks is rounded up for the first and down for the second.
    health_check_grace_period
        Seconds after a task's start in which failing health checks are ignored.
    target_group, alternate
        Where its tasks are registered; deployments that move the traffic take turns between the two.
    steps
        How they move it.
    alarms
        Names of the alarms that roll a deployment back.
    source
        The keyword arguments of `from_api` that made it, so that it can be written down and made again.
    """

    cluster_arn: str
    arn: str
    name: str
    task_definition: TaskDefinition
    desired_count: int
    minimum_healthy_percent: int = 100
    maximum_percent: int = 200
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    target_group: TargetGroup | None = None
    alternate: TargetGroup | None = None
    steps: tuple[Step, ...] = ()
    alarms: tuple[str, ...] = ()
    container_name: str | None = None
    health_check_grace_period: float = 0
    source: Document = dataclasses.field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_api(
        cls,
        *,
        service: Document,
        task_definition: Document,
        target_group: Document | None = None,
        target_group_attributes: Sequence[Document] = (),
        alternate: Document | None = None,
        alternate_attributes: Sequence[Document] = (),
    ) -> Self:
        """Read the documents of a service and of what it refers to.

        Parameters
        ----------
        service
            The service, as `DescribeServices` returns it.
        task_definition
            The service's task definition, as `DescribeTaskDefinition` returns it.
        target_group, target_group_attributes
            The target group of its first load balancer, as `DescribeTargetGroups` and
            `DescribeTargetGroupAttributes` return it.
        alternate, alternate_attributes
            Its alternate target group.
        """
        configuration = service.get("deploymentConfiguration") or {}
        balancers = service.get("loadBalancers") or ()
        return cls(
            cluster_arn=service["clusterArn"],
            arn=service["serviceArn"],
            name=service["serviceName"],
            task_definition=TaskDefinition.from_api(task_definition),
            desired_count=int(service.get("desiredCount") or 0),
            minimum_healthy_percent=int(configuration.get("minimumHealthyPercent", 100)),
            maximum_percent=int(configuration.get("maximumPercent", 200)),
            circuit_breaker=CircuitBreaker.from_api(configuration.get("deploymentCircuitBreaker") or {}),
            target_group=TargetGroup.from_api(target_group, target_group_attributes)
            if target_group
            else None,
            alternate=TargetGroup.from_api(alternate, alternate_attributes) if alternate else None,
            steps=steps_of(configuration),
            alarms=_rolling_back(configuration.get("alarms") or {}),
            container_name=balancers[0].get("containerName") if balancers else None,
            health_check_grace_period=float(service.get("healthCheckGracePeriodSeconds") or 0),
            source={
                "service": service,
                "task_definition": task_definition,
                "target_group": target_group,
                "target_group_attributes": target_group_attributes,
                "alternate": alternate,
                "alternate_attributes": alternate_attributes,
            },
        )

    @property
    def container(self) -> ContainerDefinition:
        """The container that the sandbox runs."""
        return self.task_definition.main_container(self.container_name)

    def group(self, arn: str) -> TargetGroup | None:
        """Return the target group of that ARN, or the first one when it has no such group any more."""
        other = self.alternate
        return other if other is not None and other.arn == arn else self.target_group

    def next_group(self, arn: str | None) -> str:
        """Return where the tasks of a new deployment go, after one whose tasks are in a group."""
        first = self.target_group.arn if self.target_group else ""
        if arn is None or self.alternate is None:
            return first
        if not self.steps:
            return arn
        return self.alternate.arn if arn == first else first

    @property
    def minimum_healthy(self) -> int:
        """Number of healthy tasks that a deployment never goes below."""
        return math.ceil(self.desired_count * self.minimum_healthy_percent / 100)

    @property
    def maximum_running(self) -> int:
        """Number of starting and running tasks that a deployment never goes above."""
        return math.floor(self.desired_count * self.maximum_percent / 100)

    def needs_deployment(self, previous: Self) -> bool:
        """Return whether going from the previous specification to this one replaces the tasks."""
        return (
            self.task_definition.arn,
            self.target_group and self.target_group.arn,
            self.container_name,
        ) != (
            previous.task_definition.arn,
            previous.target_group and previous.target_group.arn,
            previous.container_name,
        )


def _rolling_back(alarms: Document) -> tuple[str, ...]:
    return tuple(alarms["alarmNames"]) if alarms.get("enable") and alarms.get("rollback") else ()
