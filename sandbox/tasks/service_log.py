"""The messages that `DescribeServices` returns under `events`, worded as ECS words them."""

import collections
import uuid
from collections.abc import Sequence
from typing import Any

from sandbox.tasks.record import Status
from sandbox.tasks.shapes import iso, now
from sandbox.tasks.specification import ServiceSpec
from sandbox.tasks.task import Task

_LENGTH = 100  # as many as DescribeServices returns


class ServiceLog:
    """The latest messages about a service, newest first."""

    def __init__(self, service_name: str) -> None:
        self._name = service_name
        self._events: collections.deque[dict[str, Any]] = collections.deque(maxlen=_LENGTH)

    def describe(self) -> list[dict[str, Any]]:
        """Return the messages in the shape of the ECS API; times are ISO 8601 strings."""
        return list(self._events)

    def add(self, message: str) -> None:
        """Add a message that begins with the service's name."""
        self._add(f"(service {self._name}) {message}")

    def add_once(self, message: str) -> None:
        """Add a message unless it is the latest."""
        if not self._events or not self._events[0]["message"].endswith(message):
            self.add(message)

    def task_entered(self, task: Task, spec: ServiceSpec) -> None:
        """Say what a task's new state means for the service."""
        status = task.record.status
        if spec.target_group is None:
            return
        if status is Status.RUNNING:
            self.add(f"registered 1 targets in (target-group {spec.target_group.arn})")
        elif status is Status.DEACTIVATING:
            self.add(f"deregistered 1 targets in (target-group {spec.target_group.arn})")
            deployment = task.record.started_by
            self._add(
                f"(service {self._name}, taskSet {deployment}) has begun draining connections on 1 tasks."
            )

    def started(self, tasks: Sequence[Task]) -> None:
        """Say that tasks were started."""
        if tasks:
            self.add(f"has started {len(tasks)} tasks: {_names(tasks)}.")

    def stopped(self, tasks: Sequence[Task]) -> None:
        """Say that tasks were stopped."""
        if tasks:
            self.add(f"has stopped {len(tasks)} running tasks: {_names(tasks)}.")

    def unhealthy(self, task: Task, spec: ServiceSpec) -> None:
        """Say that a task fails its health checks."""
        if spec.target_group is None:
            self.add(f"(task {task.record.id}) failed container health checks.")
            return
        port = next(iter(task.record.container.ports), task.record.port)
        self.add(
            f"(port {port}) is unhealthy in (target-group {spec.target_group.arn}) "
            "due to (reason Health checks failed)."
        )

    def _add(self, message: str) -> None:
        self._events.appendleft({"id": str(uuid.uuid4()), "createdAt": iso(now()), "message": message})


def _names(tasks: Sequence[Task]) -> str:
    return " ".join(f"(task {task.record.id})" for task in tasks)
