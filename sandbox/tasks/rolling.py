"""The arithmetic of ECS's rolling update: how many tasks to start, and which to stop."""

import dataclasses
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar


class Counted(Protocol):
    """What the arithmetic asks of a task that is meant to run; one that is starting is neither."""

    @property
    def healthy(self) -> bool:
        """Whether it passes its health checks."""

    @property
    def unhealthy(self) -> bool:
        """Whether it fails its health checks."""


TaskT = TypeVar("TaskT", bound=Counted)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounds:
    """How many tasks there should be, the fewest healthy, and the most starting and running ones."""

    desired: int
    minimum_healthy: int
    maximum_running: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan(Generic[TaskT]):
    """What to do now.

    Attributes
    ----------
    start
        Number of tasks to start.
    stop
        Tasks to stop.
    stuck
        Whether tasks are missing, but the bounds let none be started or stopped, now or later.
    """

    start: int
    stop: Sequence[TaskT]
    stuck: bool


def plan(
    bounds: Bounds, *, current: Sequence[TaskT], older: Sequence[TaskT], may_start: bool = True
) -> Plan[TaskT]:
    """Return the next step from the tasks that are meant to run.

    Parameters
    ----------
    bounds
        The numbers to keep within.
    current
        Tasks of the deployment that is rolled out, oldest first.
    older
        Tasks of the deployments before it, oldest first.
    may_start
        Whether tasks may be started now; a failed deployment starts none.
    """
    sound = [task for task in current if not task.unhealthy]
    unhealthy = [task for task in current if task.unhealthy]
    missing = max(0, bounds.desired - len(sound))
    room = max(0, bounds.maximum_running - len(current) - len(older))
    start = min(missing, room) if may_start else 0
    # Tasks that are in the way of others which may not be started next to them.
    in_the_way = missing - start if may_start else 0

    healthy = sum(task.healthy for task in (*current, *older))
    ready = sum(task.healthy for task in current)
    replaced = len(unhealthy) if ready >= bounds.desired else min(in_the_way, len(unhealthy))
    stop = unhealthy[:replaced]
    stop += _first_unready(sound)[: max(0, len(sound) - bounds.desired)]
    # What is not healthy serves no one. Of the rest, as many go as there are more than needed, or are in the
    # way, but never below the minimum.
    stop += [task for task in older if not task.healthy]
    spare = healthy - sum(task.healthy for task in stop) - bounds.minimum_healthy
    leaving = max(healthy - bounds.desired, in_the_way - len(stop), 0)
    serving = [task for task in older if task.healthy]
    stop += serving[: max(0, min(spare, leaving))]

    starting = any(not task.healthy and not task.unhealthy for task in current)
    return Plan(start=start, stop=stop, stuck=in_the_way > 0 and start == 0 and not stop and not starting)


def _first_unready(tasks: Sequence[TaskT]) -> list[TaskT]:
    return sorted(tasks, key=lambda task: task.healthy)
