"""A deployment of a service, and the states of both, as ECS describes them."""

import dataclasses
import datetime
import enum
import random
from collections.abc import Mapping
from typing import Any, Self

from sandbox.tasks.definition import TaskDefinition
from sandbox.tasks.shapes import iso, now


class ServiceStatus(enum.StrEnum):
    """ECS's `status` of a service."""

    ACTIVE = "ACTIVE"
    DRAINING = "DRAINING"
    INACTIVE = "INACTIVE"


class DeploymentStatus(enum.StrEnum):
    """ECS's `status` of a deployment."""

    PRIMARY = "PRIMARY"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"


class RolloutState(enum.StrEnum):
    """ECS's `rolloutState` of a deployment."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


def _new_id() -> str:
    return f"ecs-svc/{random.randrange(10**18, 10**19)}"  # noqa: S311 - a name, not a secret


@dataclasses.dataclass(kw_only=True)
class Deployment:
    """One revision of a service on its way to its tasks."""

    task_definition: TaskDefinition
    target_group: str
    id: str = dataclasses.field(default_factory=_new_id)
    status: DeploymentStatus = DeploymentStatus.PRIMARY
    rollout_state: RolloutState = RolloutState.IN_PROGRESS
    rollout_reason: str = ""
    failed_tasks: int = 0
    created_at: datetime.datetime = dataclasses.field(default_factory=now)
    updated_at: datetime.datetime = dataclasses.field(default_factory=now)

    @property
    def in_progress(self) -> bool:
        """Whether its outcome is open."""
        return self.rollout_state is RolloutState.IN_PROGRESS

    def enter(self, state: RolloutState, reason: str) -> None:
        """Change the rollout's state."""
        self.rollout_state, self.rollout_reason, self.updated_at = state, reason, now()

    def describe(self, *, desired: int, running: int, pending: int) -> dict[str, Any]:
        """Return the deployment in the shape of the ECS API; times are ISO 8601 strings."""
        return {
            "id": self.id,
            "status": str(self.status),
            "taskDefinition": self.task_definition.arn,
            "desiredCount": desired,
            "runningCount": running,
            "pendingCount": pending,
            "failedTasks": self.failed_tasks,
            "createdAt": iso(self.created_at),
            "updatedAt": iso(self.updated_at),
            "launchType": "FARGATE",
            "platformVersion": "1.4.0",
            "platformFamily": "Linux",
            "rolloutState": str(self.rollout_state),
            "rolloutStateReason": self.rollout_reason,
        }

    def to_document(self) -> dict[str, Any]:
        """Return what `from_document` makes it from, as JSON takes it."""
        return {
            "id": self.id,
            "task_definition": self.task_definition.document,
            "target_group": self.target_group,
            "status": self.status,
            "rollout_state": self.rollout_state,
            "rollout_reason": self.rollout_reason,
            "failed_tasks": self.failed_tasks,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Make it from what `to_document` returned."""
        return cls(
            id=document["id"],
            task_definition=TaskDefinition.from_api(document["task_definition"]),
            target_group=document.get("target_group", ""),  # one of before is in the first
            status=DeploymentStatus(document["status"]),
            rollout_state=RolloutState(document["rollout_state"]),
            rollout_reason=document["rollout_reason"],
            failed_tasks=document["failed_tasks"],
            created_at=datetime.datetime.fromisoformat(document["created_at"]),
            updated_at=datetime.datetime.fromisoformat(document["updated_at"]),
        )
