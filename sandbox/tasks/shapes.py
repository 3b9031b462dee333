"""ARNs, moments and events in the shapes of ECS ("Amazon ECS events" in the ECS developer guide)."""

import dataclasses
import datetime
import uuid
from typing import Any, Self

Event = dict[str, Any]

# What a task's record has and the event has not ("Amazon ECS task state change events").
_NOT_IN_EVENTS = frozenset({"healthStatus", "tags"})


@dataclasses.dataclass(frozen=True)
class ClusterArn:
    """The parts of a cluster's ARN."""

    region: str
    account: str
    name: str

    @classmethod
    def parse(cls, arn: str) -> Self:
        """Take an ARN apart.

        Raises
        ------
        ValueError
            If it is not a cluster's.
        """
        parts = arn.split(":", 5)
        if len(parts) != 6 or not parts[5].startswith("cluster/"):
            raise ValueError(f"not the ARN of an ECS cluster: {arn!r}")
        return cls(parts[3], parts[4], parts[5].removeprefix("cluster/"))

    def task(self, task_id: str) -> str:
        """Return the ARN of a task in the cluster."""
        return f"arn:aws:ecs:{self.region}:{self.account}:task/{self.name}/{task_id}"

    def container(self, task_id: str, container_id: str) -> str:
        """Return the ARN of a container of a task in the cluster."""
        return f"arn:aws:ecs:{self.region}:{self.account}:container/{self.name}/{task_id}/{container_id}"


def now() -> datetime.datetime:
    """Return the current time."""
    return datetime.datetime.now(datetime.UTC)


def iso(moment: datetime.datetime | None) -> str | None:
    """Return a moment as an ISO 8601 string with milliseconds, as in the events of ECS."""
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def task_state_change(task: dict[str, Any]) -> Event:
    """Return the event for a change of a task.

    Parameters
    ----------
    task
        The task's record, as `DescribeTasks` returns it.
    """
    detail = {name: value for name, value in task.items() if name not in _NOT_IN_EVENTS}
    return _event(task["clusterArn"], "ECS Task State Change", [task["taskArn"]], detail)


def deployment_state_change(
    *, cluster_arn: str, service_arn: str, deployment_id: str, name: str, reason: str
) -> Event:
    """Return the event for a change of a deployment.

    Parameters
    ----------
    cluster_arn, service_arn, deployment_id
        The deployment.
    name
        SERVICE_DEPLOYMENT_IN_PROGRESS, SERVICE_DEPLOYMENT_COMPLETED or SERVICE_DEPLOYMENT_FAILED.
    reason
        Why, in words.
    """
    detail = {
        "eventType": "ERROR" if name == "SERVICE_DEPLOYMENT_FAILED" else "INFO",
        "eventName": name,
        "deploymentId": deployment_id,
        "updatedAt": iso(now()),
        "reason": reason,
    }
    return _event(cluster_arn, "ECS Deployment State Change", [service_arn], detail)


def _event(cluster_arn: str, kind: str, resources: list[str], detail: dict[str, Any]) -> Event:
    cluster = ClusterArn.parse(cluster_arn)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": "aws.ecs",
        "account": cluster.account,
        "time": now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": cluster.region,
        "resources": resources,
        "detail": detail,
    }
