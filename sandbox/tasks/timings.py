"""Times of the sandbox, most of them shorter than those of AWS, and how they grow with failures."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timings:
    """Times in seconds. Where a definition has a time of its own, the sandbox takes the shorter one.

    Attributes
    ----------
    starting_probe_interval
        Between two health checks of a task that was not healthy yet.
    probe_interval
        Between two health checks of a healthy task.
    probe_timeout
        For the answer to a health check.
    deregistration_delay
        For requests in flight on a task that is taken out.
    minute
        A minute of a deployment that moves the traffic.
    first_backoff, longest_backoff
        Before a task is started again after it failed; doubled with every failure in a row.
    stable_after
        A task that was healthy for so long does not count as one in a row of failures when it stops.
    log_interval
        Between two deliveries of log lines.
    stopped_task_retention
        A stopped task can be described for so long.
    shutdown_timeout
        For all tasks to stop when the sandbox goes down.
    """

    starting_probe_interval: float = 0.2
    probe_interval: float = 5.0
    probe_timeout: float = 5.0
    deregistration_delay: float = 5.0
    minute: float = 1.0
    first_backoff: float = 0.5
    longest_backoff: float = 30.0
    stable_after: float = 10.0
    log_interval: float = 1.0
    stopped_task_retention: float = 3600.0
    shutdown_timeout: float = 10.0


DEFAULT_TIMINGS = Timings()


class Backoff:
    """How long to wait before a task that failed is started again: longer after every failure in a row.

    Times are seconds of the event loop's clock ("Amazon ECS service throttle logic").

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
