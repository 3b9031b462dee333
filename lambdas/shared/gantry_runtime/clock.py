"""Time, so that tests need not wait for it."""

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time of day."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Let time pass; not at all when `seconds` is not positive."""
        if seconds > 0:
            time.sleep(seconds)


class TimeLimit:
    """The time within which something must be done.

    Parameters
    ----------
    clock
        Clock.
    seconds
        How long it is, from now.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._end = clock, clock.now() + timedelta(seconds=seconds)

    def wait(self, seconds: float) -> bool:
        """Let time pass and return True; return False at once when less time is left."""
        if self._left() < seconds:
            return False
        self._clock.sleep(seconds)
        return True

    def within(self, seconds: float) -> "TimeLimit":
        """Return the limit of a part that may take at most so long."""
        return TimeLimit(self._clock, min(seconds, self._left()))

    def _left(self) -> float:
        return (self._end - self._clock.now()).total_seconds()
