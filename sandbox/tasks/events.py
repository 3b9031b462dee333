"""Events of ECS on EventBridge, in the shapes of the ECS developer guide ("Amazon ECS events")."""

import uuid
from typing import Any

from sandbox.tasks.arn import ClusterArn
from sandbox.tasks.clock import iso, now

Event = dict[str, Any]

# What a task's record has and the event has not ("Amazon ECS task state change events").
_NOT_IN_EVENTS = frozenset({"healthStatus", "tags"})


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
