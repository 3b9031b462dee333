"""The tasks of the service: those that run, and those that stopped within the hour that ECS remembers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ops.status.look import Look
from ops.status.part import Part, moment

if TYPE_CHECKING:
    from types_boto3_ecs.literals import DesiredStatusType
    from types_boto3_ecs.type_defs import TaskTypeDef

_DESCRIBABLE = 100
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task that starts, runs or stops; its version is family and revision of its task definition."""

    task: str
    zone: str
    status: str
    health: str
    version: str
    image: str
    started_at: datetime | None

    @property
    def is_well(self) -> bool:
        """Whether it runs and no health check says otherwise."""
        return self.status == "RUNNING" and self.health != "UNHEALTHY"


@dataclass(frozen=True, kw_only=True)
class Tasks(Part):
    """The tasks by zone."""

    desired: int
    items: Sequence[Task]

    def problems(self) -> Iterator[str]:
        """Yield that there are too few that are well."""
        well = sum(task.is_well for task in self.items)
        if well < self.desired or not well:
            yield f"{well} of {self.desired} tasks are healthy"

    def lines(self) -> Iterator[str]:
        """Yield how many of each version are how, by zone."""
        alike = Counter(
            (each.zone, each.version, each.image, each.status, each.health) for each in self.items
        )
        for (zone, version, image, status, health), number in sorted(alike.items()):
            yield f"{zone}  {number} × {version} {image}  {status} {health}"
        if not self.items:
            yield "none"


@dataclass(frozen=True, kw_only=True)
class StoppedTask:
    """A task that stopped, and why; the exit codes are those of its containers."""

    task: str
    stopped_at: datetime | None
    reason: str
    exit_codes: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class StoppedTasks(Part):
    """The tasks that stopped, the latest first; tasks come and go, and why they went is for a person."""

    items: Sequence[StoppedTask]

    def lines(self) -> Iterator[str]:
        """Yield the latest with their reasons."""
        for each in self.items[:_SHOWN]:
            codes = "".join(f", {name} exited with {code}" for name, code in each.exit_codes.items())
            when = moment(each.stopped_at) if each.stopped_at else "stopping"
            yield f"{when} {each.task}: {each.reason}{codes}"
        if len(self.items) > _SHOWN:
            yield f"and {len(self.items) - _SHOWN} before"
        if not self.items:
            yield "none within an hour"


def read(look: Look) -> Tasks:
    """Return the tasks that are not stopped."""
    items = [_task(each) for each in described(look, "RUNNING")]
    return Tasks(
        desired=look.service["desiredCount"], items=sorted(items, key=lambda each: (each.zone, each.task))
    )


def read_stopped(look: Look) -> StoppedTasks:
    """Return the tasks that stopped lately."""
    items = [
        StoppedTask(
            task=_id(each),
            stopped_at=each.get("stoppedAt"),
            reason=each.get("stoppedReason", ""),
            exit_codes={c["name"]: c["exitCode"] for c in each["containers"] if "exitCode" in c},
        )
        for each in described(look, "STOPPED")
    ]
    return StoppedTasks(items=sorted(items, key=lambda each: str(each.stopped_at), reverse=True))


def described(look: Look, status: "DesiredStatusType") -> "Iterator[TaskTypeDef]":
    """Yield the service's tasks that ECS wants to be in a status."""
    client, outputs = look.environment.ecs, look.outputs("compute")
    cluster = outputs["ClusterName"]
    pages = client.get_paginator("list_tasks").paginate(
        cluster=cluster, serviceName=outputs["ServiceName"], desiredStatus=status
    )
    arns = [arn for page in pages for arn in page["taskArns"]]
    for start in range(0, len(arns), _DESCRIBABLE):
        yield from client.describe_tasks(cluster=cluster, tasks=arns[start : start + _DESCRIBABLE])["tasks"]


def _id(task: "TaskTypeDef") -> str:
    return task["taskArn"].rpartition("/")[2]


def _task(task: "TaskTypeDef") -> Task:
    container = task["containers"][0] if task["containers"] else {}
    return Task(
        task=_id(task),
        zone=task.get("availabilityZone", "no zone yet"),
        status=task["lastStatus"],
        health=task.get("healthStatus", "UNKNOWN"),
        version=task["taskDefinitionArn"].rpartition("/")[2],
        image=_version(container.get("image", "")),
        started_at=task.get("startedAt"),
    )


def _version(image: str) -> str:
    """Return what distinguishes an image in its repository: tag, or the beginning of its digest."""
    name, _, digest = image.rpartition("/")[2].partition("@sha256:")
    tag = name.partition(":")[2]
    return f":{tag}" if tag else f"@{digest[:12]}" if digest else ""
