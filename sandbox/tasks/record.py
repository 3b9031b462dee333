"""What `DescribeTasks` says about a task."""

import dataclasses
import datetime
import enum
import uuid
from typing import Any

from sandbox.ports import HOST
from sandbox.tasks.definition import ContainerDefinition, TaskDefinition
from sandbox.tasks.health import Health
from sandbox.tasks.shapes import ClusterArn, iso, now


class Status(enum.StrEnum):
    """The states of a task in the order of its life ("Amazon ECS task lifecycle")."""

    PROVISIONING = "PROVISIONING"
    PENDING = "PENDING"
    ACTIVATING = "ACTIVATING"
    RUNNING = "RUNNING"
    DEACTIVATING = "DEACTIVATING"
    STOPPING = "STOPPING"
    DEPROVISIONING = "DEPROVISIONING"
    STOPPED = "STOPPED"


class StopCode(enum.StrEnum):
    """Why a task stopped, of which ECS has more kinds than the sandbox."""

    FAILED_TO_START = "TaskFailedToStart"
    CONTAINER_EXITED = "EssentialContainerExited"
    USER = "UserInitiated"
    SCHEDULER = "ServiceSchedulerInitiated"


@dataclasses.dataclass(kw_only=True)
class TaskRecord:
    """A task as ECS describes it; `describe` has the fields' names and meanings of the ECS API."""

    cluster_arn: str
    definition: TaskDefinition
    container: ContainerDefinition
    group: str
    started_by: str
    overrides: dict[str, Any] = dataclasses.field(default_factory=dict)
    id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    container_id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    status: Status = Status.PROVISIONING
    desired_status: Status = Status.RUNNING
    health: Health = Health.UNKNOWN
    version: int = 1
    created_at: datetime.datetime = dataclasses.field(default_factory=now)
    pull_started_at: datetime.datetime | None = None
    pull_stopped_at: datetime.datetime | None = None
    started_at: datetime.datetime | None = None
    stopping_at: datetime.datetime | None = None
    execution_stopped_at: datetime.datetime | None = None
    stopped_at: datetime.datetime | None = None
    stop_code: StopCode | None = None
    stopped_reason: str = ""
    exit_code: int | None = None
    port: int | None = None
    pid: int | None = None

    @property
    def arn(self) -> str:
        """The task's ARN."""
        return ClusterArn.parse(self.cluster_arn).task(self.id)

    def describe(self) -> dict[str, Any]:
        """Return the task in the shape of the ECS API; times are ISO 8601 strings."""
        times = {
            "createdAt": self.created_at,
            "connectivityAt": self.pull_started_at,
            "pullStartedAt": self.pull_started_at,
            "pullStoppedAt": self.pull_stopped_at,
            "startedAt": self.started_at,
            "stoppingAt": self.stopping_at,
            "executionStoppedAt": self.execution_stopped_at,
            "stoppedAt": self.stopped_at,
        }
        return {
            "taskArn": self.arn,
            "clusterArn": self.cluster_arn,
            "taskDefinitionArn": self.definition.arn,
            "group": self.group,
            "startedBy": self.started_by,
            "lastStatus": str(self.status),
            "desiredStatus": str(self.desired_status),
            "healthStatus": str(self.health),
            "version": self.version,
            "launchType": "FARGATE",
            "platformVersion": "1.4.0",
            "platformFamily": "Linux",
            "availabilityZone": f"{ClusterArn.parse(self.cluster_arn).region}a",
            "connectivity": "CONNECTED",
            "cpu": self.definition.cpu,
            "memory": self.definition.memory,
            "enableExecuteCommand": False,
            "overrides": self.overrides or {"containerOverrides": [{"name": self.container.name}]},
            "containers": [self._describe_container()],
            "attachments": [],
            "tags": [],
            **{name: iso(moment) for name, moment in times.items() if moment is not None},
            **({"stopCode": str(self.stop_code)} if self.stop_code else {}),
            **({"stoppedReason": self.stopped_reason} if self.stopped_reason else {}),
        }

    def _describe_container(self) -> dict[str, Any]:
        cluster = ClusterArn.parse(self.cluster_arn)
        ports = [
            {"bindIP": HOST, "containerPort": port, "hostPort": self.port, "protocol": "tcp"}
            for port in self.container.ports[:1]
            if self.port is not None
        ]
        return {
            "containerArn": cluster.container(self.id, self.container_id),
            "taskArn": self.arn,
            "name": self.container.name,
            "image": self.container.image,
            "lastStatus": str(_container_status(self.status)),
            "healthStatus": str(self.health),
            "networkBindings": ports,
            "networkInterfaces": [],
            "cpu": "0",
            # Fargate's runtime ids are the task's id and a number; here the number is the process's id.
            **({"runtimeId": f"{self.id}-{self.pid}"} if self.pid is not None else {}),
            **({"exitCode": self.exit_code} if self.exit_code is not None else {}),
        }


def _container_status(status: Status) -> Status:
    """Return a container's state, of which there are only three."""
    if status in {Status.PROVISIONING, Status.PENDING, Status.ACTIVATING}:
        return Status.PENDING
    return Status.STOPPED if status in {Status.DEPROVISIONING, Status.STOPPED} else Status.RUNNING
