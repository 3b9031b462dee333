"""Health checks of a task: over HTTP, in place of both the target group's and the container's own."""

import asyncio
import dataclasses
import enum
import math
from collections.abc import AsyncIterator

from sandbox.ports import HOST
from sandbox.tasks.pace import Pace
from sandbox.tasks.specification import ServiceSpec

_FAILURES = 3  # in a row, at least, before a task is unhealthy: a laptop is busy now and then


class Health(enum.StrEnum):
    """ECS's `healthStatus`."""

    UNKNOWN = "UNKNOWN"
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"


class _Answer(enum.Enum):
    GOOD = enum.auto()
    BAD = enum.auto()
    NONE = enum.auto()


@dataclasses.dataclass(frozen=True, kw_only=True)
class HealthChecks:
    """How a task's health is watched; times in seconds."""

    path: str
    interval: float
    timeout: float
    grace_period: float
    failures: int
    pace: Pace

    @classmethod
    def of(cls, spec: ServiceSpec, pace: Pace) -> "HealthChecks":
        """Return the checks for the tasks of a service."""
        group, container = spec.target_group, spec.container.health_check
        grace = max(spec.health_check_grace_period, container.start_period if container else 0)
        thresholds = [group.unhealthy_threshold if group else 0, container.retries if container else 0]
        return cls(
            path=group.health_check_path if group else "/healthz",
            interval=min(pace.probe_interval, group.health_check_interval if group else math.inf),
            timeout=min(pace.probe_timeout, group.health_check_timeout if group else math.inf),
            grace_period=min(grace, pace.grace_period),
            failures=max(_FAILURES, *thresholds),
            pace=pace,
        )

    async def watch(self, port: int) -> AsyncIterator[Health]:
        """Yield the health of the task on that port whenever it changes, for ever."""
        health, failures = Health.UNKNOWN, 0
        clock = asyncio.get_running_loop().time
        started = clock()
        while True:
            answer, age = await self._ask(port), clock() - started
            previous = health
            if answer is _Answer.GOOD:
                health, failures = Health.HEALTHY, 0
            elif health is Health.HEALTHY or self._counts(answer, age):
                failures += 1
                health = Health.UNHEALTHY if failures >= self.failures else health
            if health is not previous:
                yield health
            await asyncio.sleep(self._interval(health, failures))

    def _counts(self, answer: _Answer, age: float) -> bool:
        # A task that accepts no connection yet is still starting; one that answers badly is not.
        return age > (self.pace.start_timeout if answer is _Answer.NONE else self.grace_period)

    def _interval(self, health: Health, failures: int) -> float:
        if health is Health.UNKNOWN and failures == 0:
            return self.pace.starting_probe_interval
        return self.interval if failures == 0 else min(1.0, self.interval)

    async def _ask(self, port: int) -> _Answer:
        try:
            async with asyncio.timeout(self.timeout):
                reader, writer = await asyncio.open_connection(HOST, port)
                try:
                    writer.write(self._request(port))
                    status = (await reader.readline()).split()
                finally:
                    writer.close()
        except ConnectionRefusedError:
            return _Answer.NONE
        except (OSError, TimeoutError, ValueError):
            return _Answer.BAD
        return _Answer.GOOD if len(status) > 1 and status[1].startswith(b"2") else _Answer.BAD

    def _request(self, port: int) -> bytes:
        return (
            f"GET {self.path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUser-Agent: ELB-HealthChecker/2.0\r\n"
            "Connection: close\r\n\r\n"
        ).encode()
