"""Runs services and tasks as ECS does, with processes in the place of containers."""

from sandbox.tasks.definition import TaskError
from sandbox.tasks.host import Aws, kill_leftover_tasks
from sandbox.tasks.logs import LogEvent
from sandbox.tasks.scheduler import TaskScheduler
from sandbox.tasks.specification import ServiceSpec
from sandbox.tasks.timings import Timings

__all__ = ["Aws", "LogEvent", "ServiceSpec", "TaskError", "TaskScheduler", "Timings", "kill_leftover_tasks"]
