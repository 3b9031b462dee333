"""The tasks of a service, those that stopped a while ago included."""

import asyncio
from collections.abc import Collection, Iterable, Iterator

from sandbox.tasks.deployment import Deployment
from sandbox.tasks.health import HealthChecks
from sandbox.tasks.host import Host
from sandbox.tasks.record import Status, StopCode, TaskRecord
from sandbox.tasks.specification import ServiceSpec
from sandbox.tasks.task import Observer, Task


class TaskSet:
    """Tasks in the order in which they were started."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self._tasks.values()))

    def add(self, task: Task) -> None:
        """Add a task."""
        self._tasks[task.record.id] = task

    def start(self, spec: ServiceSpec, deployment: Deployment, host: Host, observer: Observer) -> Task:
        """Start a task of a deployment of a service."""
        record = TaskRecord(
            cluster_arn=spec.cluster_arn,
            definition=deployment.task_definition,
            container=deployment.task_definition.main_container(spec.container_name),
            group=f"service:{spec.name}",
            started_by=deployment.id,
        )
        checks = HealthChecks.of(spec, host.timings)
        group = spec.group(deployment.target_group)
        task = Task(record, host, checks=checks, target_group=group, observer=observer)
        self.add(task)
        return task

    def forget_history(self) -> None:
        """Drop the tasks that stopped too long ago to be described."""
        self._tasks = {task.record.id: task for task in self if not task.is_history}

    def wanted(self, deployment: Deployment) -> list[Task]:
        """Return the tasks of a deployment that are meant to run."""
        return [task for task in self if task.wanted and task.record.started_by == deployment.id]

    def wanted_by_others(self, deployment: Deployment) -> list[Task]:
        """Return the tasks of all other deployments that are meant to run."""
        return [task for task in self if task.wanted and task.record.started_by != deployment.id]

    def count(self, statuses: Collection[Status], deployment: Deployment | None = None) -> int:
        """Return how many tasks, of a deployment or in all, are in one of these states."""
        return sum(
            task.record.status in statuses
            for task in self
            if deployment is None or task.record.started_by == deployment.id
        )


async def stop_all(tasks: Iterable[Task], reason: str, *, within: float) -> None:
    """Stop tasks in an orderly way, and kill those that take longer than `within` seconds."""
    running = [task for task in tasks if not task.stopped]
    for task in running:
        task.stop(reason, StopCode.USER)
    try:
        async with asyncio.timeout(within):
            await asyncio.gather(*(task.ended() for task in running))
    except TimeoutError:
        for task in running:
            task.kill()
        await asyncio.gather(*(task.ended() for task in running))
