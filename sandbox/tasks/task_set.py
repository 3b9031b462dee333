"""The tasks of a service, those that stopped a while ago included."""

from collections.abc import Collection, Iterator

from sandbox.tasks.deployment import Deployment
from sandbox.tasks.record import Status
from sandbox.tasks.task import Task


class TaskSet:
    """Tasks in the order in which they were started."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self._tasks.values()))

    def add(self, task: Task) -> None:
        """Add a task."""
        self._tasks[task.record.id] = task

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
