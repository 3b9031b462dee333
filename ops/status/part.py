"""What a part of the status is made of."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

_ID = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{24}\b")
# Type and name; a target group's ends with an id.
_ARN = re.compile(r"\barn:[\w-]+:[\w-]+:[\w-]*:\d*:([\w-]+[:/][\w.-]+)[\w/.-]*")


class State(StrEnum):
    """How a part is; what cannot be read is never taken for well."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something of an environment; what a subclass holds is what `--json` prints."""

    def problems(self) -> Iterator[str]:
        """Yield what is wrong."""
        yield from ()

    def unknown(self) -> Iterator[str]:
        """Yield what could not be read, and why."""
        yield from ()

    def lines(self) -> Iterator[str]:
        """Yield what a person sees."""
        yield from self.unknown()

    @property
    def state(self) -> State:
        """Failed when anything is wrong, else unknown when anything could not be read."""
        if any(self.problems()):
            return State.FAILED
        return State.UNKNOWN if any(self.unknown()) else State.OK


@dataclass(frozen=True, kw_only=True)
class Unread(Part):
    """A part that could not be read.

    Attributes
    ----------
    reason
        Why not.
    """

    reason: str

    def unknown(self) -> Iterator[str]:
        """Yield the reason."""
        yield self.reason


def age(span: timedelta) -> str:
    """Return a time span as people say it: ``4 min``, ``3 h``, ``12 days``."""
    minutes = max(0, int(span.total_seconds() // 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def moment(when: datetime) -> str:
    """Return a time in UTC as a screen has room for it."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def abridged(text: str) -> str:
    """Return text with what identifies tasks and resources, without the rest of their ids and ARNs."""
    return _ID.sub(r"\1", _ARN.sub(r"\1", text))


def counted(number: int, what: str) -> str:
    """Return a number of things: ``1 task``, ``2 tasks``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
