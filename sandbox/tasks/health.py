"""Health checks of a task: over HTTP, in place of both the target group's and the container's own."""

import asyncio
import dataclasses
import enum
import math
from collections.abc import AsyncIterator

from contract.service import HEALTH_PATH
from sandbox.ports import HOST
from sandbox.tasks.specification import ServiceSpec
from sandbox.tasks.timings import Timings

_FAILURES = 3  # in a row, at least, before a task is unhealthy: a laptop is busy now and then


class Health(enum.StrEnum):
    """ECS's `healthStatus`."""

    UNKNOWN = "UNKNOWN"
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HealthChecks:
    """How a task's health is watched; times in seconds.

    Attributes
    ----------
    grace_period
        Until so long after its start no failed check of a task that was not healthy yet counts.
    """

    path: str
    interval: float
    timeout: float
    grace_period: float
    failures: int
    timings: Timings

    @classmethod
    def of(cls, spec: ServiceSpec, timings: Timings) -> "HealthChecks":
        """Return the checks for the tasks of a service."""
        group, container = spec.target_group, spec.container.health_check
        grace = max(spec.health_check_grace_period, container.start_period if container else 0)
        thresholds = [group.unhealthy_threshold if group else 0, container.retries if container else 0]
        return cls(
            path=group.health_check_path if group else HEALTH_PATH,
            interval=min(timings.probe_interval, group.health_check_interval if group else math.inf),
            timeout=min(timings.probe_timeout, group.health_check_timeout if group else math.inf),
            grace_period=grace,
            failures=max(_FAILURES, *thresholds),
            timings=timings,
        )

    async def watch(self, port: int) -> AsyncIterator[Health]:
        """Yield the health of the task on that port whenever it changes."""
        health, failures = Health.UNKNOWN, 0
        clock = asyncio.get_running_loop().time
        started = clock()
        while True:
            good, age = await self._answers(port), clock() - started
            previous = health
            if good:
                health, failures = Health.HEALTHY, 0
            elif health is Health.HEALTHY or age > self.grace_period:
                failures += 1
                health = Health.UNHEALTHY if failures >= self.failures else health
            if health is not previous:
                yield health
            await asyncio.sleep(self._interval(health, failures))

    def _interval(self, health: Health, failures: int) -> float:
        if health is Health.UNKNOWN and failures == 0:
            return self.timings.starting_probe_interval
        return self.interval if failures == 0 else min(1.0, self.interval)

    async def _answers(self, port: int) -> bool:
        try:
            async with asyncio.timeout(self.timeout):
                reader, writer = await asyncio.open_connection(HOST, port)
                try:
                    writer.write(self._request(port))
                    status = (await reader.readline()).split()
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError):
            return False
        return len(status) > 1 and status[1].startswith(b"2")

    def _request(self, port: int) -> bytes:
        return (
            f"GET {self.path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUser-Agent: ELB-HealthChecker/2.0\r\n"
            "Connection: close\r\n\r\n"
        ).encode()
