"""The ECS service whose tasks read the secret when they start."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from gantry_runtime.clock import Clock
from rotation.strategy import RotationError

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient
    from types_boto3_ecs.type_defs import DeploymentTypeDef, ServiceTypeDef, TaskTypeDef

# Two services' clocks are compared, and times may come in whole seconds.
_MARGIN = timedelta(seconds=2)
# A deployment that was rolled back may well be so again. Less than an hour: ECS no longer lists the tasks.
_RETRY = timedelta(minutes=30)
_DESCRIBABLE = 100  # DescribeTasks takes no more
# What a service counts as running or pending ("Task lifecycle" in the ECS Developer Guide).
_COUNTED = frozenset({"PROVISIONING", "PENDING", "ACTIVATING", "RUNNING"})


class Replacement(StrEnum):
    """How far the replacement of tasks has come."""

    DONE = "done"
    REQUESTED = "requested"
    IN_PROGRESS = "in progress"
    POSTPONED = "postponed"  # the last deployment failed: another one is tried later
    RUNNING_NEXT_TO = "tasks next to the service"  # no deployment ends these


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the replacement of tasks has come.

    Attributes
    ----------
    replacement
        The state of it.
    tasks
        How many are to be replaced, stopping ones included.
    """

    replacement: Replacement
    tasks: int


class Service:
    """The service, and every other task in its cluster.

    Parameters
    ----------
    client
        Of ECS.
    cluster, service
        Their names.
    clock
        Clock.
    """

    def __init__(self, client: "ECSClient", *, cluster: str, service: str, clock: Clock) -> None:
        self._client, self._cluster, self._service, self._clock = client, cluster, service, clock

    def replace_tasks(self, since: datetime) -> Progress:
        """Have every task replaced that may have read its secrets before a moment; safe to repeat.

        A deployment that is in progress is left alone: CloudFormation or an operator may be waiting for it,
        and its own tasks may all be new enough.

        Raises
        ------
        RotationError
            When there is no such service.
        """
        newest = since + _MARGIN
        self._clock.sleep(min((newest - self._clock.now()).total_seconds(), _MARGIN.total_seconds() * 2))
        service = self._describe()
        tasks, missing = self._tasks()
        live = [task for task in tasks if task["lastStatus"] != "STOPPED"]
        # ECS's answers are eventually consistent: what is missing here may be an old task. Those that are
        # stopping, and those of others, are in no count of the service's.
        counted = sum(task["lastStatus"] in _COUNTED and self._is_ours(task) for task in live)
        if missing or counted < service["runningCount"] + service["pendingCount"]:
            return Progress(replacement=Replacement.IN_PROGRESS, tasks=missing or service["runningCount"])
        old = [task for task in live if "createdAt" not in task or task["createdAt"] <= newest]
        if not old:
            return Progress(replacement=Replacement.DONE, tasks=0)
        if not any(map(self._is_ours, old)):
            return Progress(replacement=Replacement.RUNNING_NEXT_TO, tasks=len(old))
        if any(_is_in_progress(each, service["deployments"]) for each in service["deployments"]):
            return Progress(replacement=Replacement.IN_PROGRESS, tasks=len(old))
        if self._has_failed_lately(tasks, newest, service["deployments"]):
            return Progress(replacement=Replacement.POSTPONED, tasks=len(old))
        self._client.update_service(cluster=self._cluster, service=self._service, forceNewDeployment=True)
        return Progress(replacement=Replacement.REQUESTED, tasks=len(old))

    def _has_failed_lately(
        self,
        tasks: "Sequence[TaskTypeDef]",
        newest: datetime,
        deployments: "Sequence[DeploymentTypeDef]",
    ) -> bool:
        """Return whether new tasks have stopped whose deployment failed or, rolled back, is no more.

        Those of a deployment that succeeded failed a health check, or were too many: it made do without them.
        """
        lately = self._clock.now() - _RETRY
        good = {each["id"] for each in deployments if each.get("rolloutState") != "FAILED"}
        return any(
            task["lastStatus"] == "STOPPED"
            and self._is_ours(task)
            and task.get("startedBy") not in good
            and _begun(task) > newest
            # Not when it began: to find out that it does not get healthy may have taken as long.
            and task["stoppedAt"] > lately
            for task in tasks
        )

    def _is_ours(self, task: "TaskTypeDef") -> bool:
        return task.get("group") == f"service:{self._service}"

    def _describe(self) -> "ServiceTypeDef":
        answer = self._client.describe_services(cluster=self._cluster, services=[self._service])
        if not answer["services"]:
            raise RotationError(f"there is no service {self._service} in the cluster {self._cluster}")
        return answer["services"][0]

    def _tasks(self) -> "tuple[list[TaskTypeDef], int]":
        """Return all tasks of the cluster, and how many ECS lists without describing them.

        Those that stopped within the last hour are among them.

        Of the cluster and not of the service: tasks that an operator runs next to it use the secrets, too.
        """
        arns = list(self._task_arns())
        found: list[TaskTypeDef] = []
        for start in range(0, len(arns), _DESCRIBABLE):
            batch = arns[start : start + _DESCRIBABLE]
            found += self._client.describe_tasks(cluster=self._cluster, tasks=batch)["tasks"]
        return found, len(set(arns)) - len({task["taskArn"] for task in found})

    def _task_arns(self) -> Iterator[str]:
        pages = self._client.get_paginator("list_tasks")
        # A task that ECS has asked to stop is listed under STOPPED long before it has.
        for desired in ("RUNNING", "STOPPED"):
            for page in pages.paginate(cluster=self._cluster, desiredStatus=desired):
                yield from page["taskArns"]


def _is_in_progress(deployment: "DeploymentTypeDef", all_of_them: "Sequence[DeploymentTypeDef]") -> bool:
    # Only rolling deployments have a state; of the others there is more than one while they last.
    state = deployment.get("rolloutState")
    return state == "IN_PROGRESS" if state else len(all_of_them) > 1


def _begun(task: "TaskTypeDef") -> datetime:
    # A task that could not even be placed was never PENDING, which is when ECS says that it was created.
    return task["createdAt"] if "createdAt" in task else task["stoppedAt"]
