"""How a deployment moves the traffic from one target group to the other, step by step."""

import dataclasses
import enum
import itertools
from collections.abc import Sequence

from sandbox.tasks.definition import Document


class Stage(enum.StrEnum):
    """ECS's `lifecycleStage` of a service deployment."""

    SCALE_UP = "SCALE_UP"
    PRODUCTION_TRAFFIC_SHIFT = "PRODUCTION_TRAFFIC_SHIFT"
    BAKE_TIME = "BAKE_TIME"
    CLEAN_UP = "CLEAN_UP"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """A share of the traffic, and for how many minutes it stays so."""

    percent: int
    minutes: float


def steps_of(configuration: Document) -> tuple[Step, ...]:
    """Read a `deploymentConfiguration`; a strategy that moves no traffic has no steps."""
    whole = Step(percent=100, minutes=float(configuration.get("bakeTimeInMinutes") or 0))
    match configuration.get("strategy", "ROLLING"):
        case "BLUE_GREEN":
            return (whole,)
        case "CANARY":
            canary = configuration["canaryConfiguration"]
            first = Step(
                percent=int(canary["canaryPercent"]), minutes=float(canary["canaryBakeTimeInMinutes"])
            )
            return (first, whole)
        case "LINEAR":
            linear = configuration["linearConfiguration"]
            share, minutes = float(linear["stepPercent"]), float(linear["stepBakeTimeInMinutes"])
            shares = itertools.takewhile(lambda percent: percent < 100, itertools.count(share, share))
            return (*(Step(percent=round(each), minutes=minutes) for each in shares), whole)
        case _:
            return ()


class TrafficShift:
    """The way of one deployment through its steps.

    Parameters
    ----------
    steps
        What it goes through; without any it is over at once.
    minute
        Seconds that a minute lasts.
    """

    def __init__(self, steps: Sequence[Step], *, minute: float) -> None:
        self._left = list(steps)
        self._minute = minute
        self._until: float | None = None
        self.percent = 0 if steps else 100

    @property
    def stage(self) -> Stage:
        """Where it is."""
        if self._until is None:
            return Stage.SCALE_UP if self._left else Stage.CLEAN_UP
        return Stage.PRODUCTION_TRAFFIC_SHIFT if self._left else Stage.BAKE_TIME

    def advance(self, now: float) -> bool:
        """Go on, once all tasks are healthy; return whether `percent` is another one."""
        if self._until is not None and now < self._until:
            return False
        if not self._left:
            self._until = None
            return False
        step = self._left.pop(0)
        self._until = now + step.minutes * self._minute
        self.percent = step.percent
        return True

    def due(self, now: float) -> float | None:
        """Return in how many seconds the next step is due."""
        return None if self._until is None else max(0.0, self._until - now)
