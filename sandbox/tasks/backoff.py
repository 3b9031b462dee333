"""How long to wait before a task that failed is started again ("Amazon ECS service throttle logic")."""

from sandbox.tasks.timings import Timings


class Backoff:
    """Waits longer after every failure in a row; times are seconds of the event loop's clock.

    Attributes
    ----------
    failures
        Number of failures in a row.
    not_before
        When the next task may be started.
    """

    def __init__(self, timings: Timings) -> None:
        self.failures = 0
        self.not_before = 0.0
        self._timings = timings

    def failed(self, at: float, *, healthy_since: float | None) -> None:
        """Take note of a task that failed, and that had been healthy since a certain moment, if at all."""
        if healthy_since is not None and at - healthy_since >= self._timings.stable_after:
            self.reset()
            return
        self.failures += 1
        delay = self._timings.first_backoff * 2 ** min(self.failures - 1, 16)
        self.not_before = at + min(delay, self._timings.longest_backoff)

    def reset(self) -> None:
        """Start the next task at once."""
        self.failures, self.not_before = 0, 0.0
