"""The service as its users reach it, and its deployment."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ops import healthz, task_health
from ops.status.look import Look
from ops.status.part import Part, moment


@dataclass(frozen=True, kw_only=True)
class Service(Part):
    """How the service answers.

    Attributes
    ----------
    health
        The status that it answers with at its health path, or why it does not.
    dependencies
        How its database and its cache are, as a task sees them; None where no task can be asked from here.
    """

    url: str
    health: str
    dependencies: str | None

    def problems(self) -> Iterator[str]:
        """Yield what does not answer."""
        if self.health != healthz.OK:
            yield f"{self.url}: {self.health}"
        if self.dependencies not in {None, task_health.WELL}:
            yield f"database and cache: {self.dependencies}"

    def lines(self) -> Iterator[str]:
        """Yield its address and what it answers."""
        yield f"{self.url}  {self.health}"
        if self.dependencies is not None:
            yield f"database and cache: {self.dependencies}"


@dataclass(frozen=True, kw_only=True)
class Deployment(Part):
    """The deployment of the service that is in progress, or the last one.

    Attributes
    ----------
    rollout
        ``COMPLETED``, ``IN_PROGRESS`` or ``FAILED``.
    stage
        Lifecycle stage of one in progress that moves traffic between two target groups.
    version
        Family and revision of the task definition.
    """

    rollout: str
    reason: str
    stage: str | None
    version: str
    began_at: datetime
    desired: int
    running: int

    def problems(self) -> Iterator[str]:
        """Yield a deployment that failed, and tasks that do not run."""
        if self.rollout == "FAILED":
            yield f"the deployment of {self.version} failed: {self.reason}"
        if self.running < self.desired or not self.desired:
            yield f"{self.running} of {self.desired} tasks run"

    def lines(self) -> Iterator[str]:
        """Yield how far it is, and since when."""
        stage = f" ({self.stage})" if self.stage else ""
        yield f"{self.rollout}{stage}, {self.version}, begun {moment(self.began_at)}"
        yield f"{self.running} of {self.desired} tasks run"
        if self.rollout != "COMPLETED" and self.reason:
            yield self.reason


def read(look: Look) -> Service:
    """Return how the service answers."""
    outputs = look.outputs("compute")
    said = task_health.dependencies(look.environment, outputs)
    return Service(
        url=outputs["ServiceUrl"],
        health=healthz.answer(outputs["ServiceUrl"], named=look.settings.domain.resolves_here),
        dependencies=None if said == task_health.IN_AN_ACCOUNT else said,
    )


def read_deployment(look: Look) -> Deployment:
    """Return the deployment of the service."""
    service = look.service
    deployments = service["deployments"]
    primary = next((each for each in deployments if each["status"] == "PRIMARY"), deployments[0])
    rollout = primary.get("rolloutState", "COMPLETED")
    return Deployment(
        rollout=rollout,
        reason=primary.get("rolloutStateReason", ""),
        stage=_stage(look) if rollout == "IN_PROGRESS" else None,
        version=primary["taskDefinition"].rpartition("/")[2],
        began_at=primary["createdAt"],
        desired=service["desiredCount"],
        running=service["runningCount"],
    )


def _stage(look: Look) -> str | None:
    client, service = look.environment.ecs, look.service
    briefs = client.list_service_deployments(
        cluster=service["clusterArn"], service=service["serviceName"], status=["IN_PROGRESS"]
    )["serviceDeployments"]
    arns = [each["serviceDeploymentArn"] for each in briefs]
    found = client.describe_service_deployments(serviceDeploymentArns=arns) if arns else None
    return next((each.get("lifecycleStage") for each in found["serviceDeployments"]), None) if found else None
