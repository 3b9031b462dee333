"""Time, so that tests need not wait for it."""

import time
from datetime import UTC, datetime


class Clock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the time of day."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Let time pass; not at all when `seconds` is not positive."""
        if seconds > 0:
            time.sleep(seconds)
