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
# A deployment that did not replace the tasks was rolled back, and the next one may well be, too.
_RETRY = timedelta(minutes=30)
_DESCRIBABLE = 100  # DescribeTasks takes no more


class Replacement(StrEnum):
    """How far the replacement of tasks has come."""

    DONE = "done"
    REQUESTED = "requested"
    IN_PROGRESS = "in progress"
    POSTPONED = "postponed"  # the last deployment left old tasks behind: it is tried again later
    RUNNING_BESIDE = "tasks beside the service"  # no deployment ends these


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
        Tells the time.
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
        tasks = self._live_tasks()
        if len(tasks) < service["runningCount"] + service["pendingCount"]:
            # ECS's answers are eventually consistent: what is missing here may be an old task.
            return Progress(replacement=Replacement.IN_PROGRESS, tasks=service["runningCount"])
        old = [task for task in tasks if "createdAt" not in task or task["createdAt"] <= newest]
        if not old:
            return Progress(replacement=Replacement.DONE, tasks=0)
        if not any(task.get("group") == f"service:{self._service}" for task in old):
            return Progress(replacement=Replacement.RUNNING_BESIDE, tasks=len(old))
        return Progress(replacement=self._deploy(service["deployments"], newest), tasks=len(old))

    def _deploy(self, deployments: "Sequence[DeploymentTypeDef]", newest: datetime) -> Replacement:
        if any(_is_in_progress(each, deployments) for each in deployments):
            return Replacement.IN_PROGRESS
        last = max(max(each["createdAt"], each["updatedAt"]) for each in deployments)
        if newest < last and self._clock.now() < last + _RETRY:
            return Replacement.POSTPONED
        self._client.update_service(cluster=self._cluster, service=self._service, forceNewDeployment=True)
        return Replacement.REQUESTED

    def _describe(self) -> "ServiceTypeDef":
        answer = self._client.describe_services(cluster=self._cluster, services=[self._service])
        if not answer["services"]:
            raise RotationError(f"there is no service {self._service} in the cluster {self._cluster}")
        return answer["services"][0]

    def _live_tasks(self) -> "list[TaskTypeDef]":
        """Return all tasks of the cluster that have not stopped.

        Of the cluster and not of the service: tasks that an operator runs beside it use the secrets, too.
        """
        arns = list(self._task_arns())
        found: list[TaskTypeDef] = []
        for start in range(0, len(arns), _DESCRIBABLE):
            batch = arns[start : start + _DESCRIBABLE]
            answer = self._client.describe_tasks(cluster=self._cluster, tasks=batch)
            found += [task for task in answer["tasks"] if task["lastStatus"] != "STOPPED"]
        return found

    def _task_arns(self) -> Iterator[str]:
        pages = self._client.get_paginator("list_tasks")
        # A task that ECS has told to stop is listed under STOPPED long before it has.
        for desired in ("RUNNING", "STOPPED"):
            for page in pages.paginate(cluster=self._cluster, desiredStatus=desired):
                yield from page["taskArns"]


def _is_in_progress(deployment: "DeploymentTypeDef", all_of_them: "Sequence[DeploymentTypeDef]") -> bool:
    # Only rolling deployments tell their state; of the others there is more than one while they last.
    state = deployment.get("rolloutState")
    return state == "IN_PROGRESS" if state else len(all_of_them) > 1
