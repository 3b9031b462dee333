"""Health as a task's answers make it, with timings that a test can wait for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sandbox.tasks.health import Health, HealthChecks
from sandbox.tasks.specification import ServiceSpec
from sandbox.tasks.timings import Timings
from tests.unit.sandbox.event_loop import scenario

QUICK = Timings(starting_probe_interval=0.01)


class Answers:
    """A server whose health check has a given answer."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.requests: list[bytes] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            if self.status != "silence":
                writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
            else:
                await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def watched(
    *, grace: float = 0, listening: bool = True
) -> AsyncIterator[tuple[Answers, AsyncIterator[Health]]]:
    answers = Answers()
    server = await asyncio.start_server(answers.accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if not listening:
        server.close()
        await server.wait_closed()
    checks = HealthChecks(
        path="/healthz", interval=0.01, timeout=0.2, grace_period=grace, failures=3, timings=QUICK
    )
    changes = checks.watch(port)
    try:
        yield answers, changes
    finally:
        await changes.aclose()  # type: ignore[attr-defined]  # it is a generator
        server.close()


@scenario
async def test_one_good_answer_makes_a_new_task_healthy() -> None:
    async with watched() as (answers, changes):
        assert await anext(changes) is Health.HEALTHY
        assert answers.requests[0].startswith(b"GET /healthz HTTP/1.1\r\n")
        assert b"ELB-HealthChecker/2.0" in answers.requests[0]


@scenario
async def test_bad_answers_are_ignored_during_the_grace_period() -> None:
    async with watched(grace=60) as (answers, changes):
        answers.status = "503 Service Unavailable"
        change = asyncio.ensure_future(anext(changes))
        while len(answers.requests) < 6:
            await asyncio.sleep(0.01)
        assert not change.done()
        answers.status = "200 OK"
        assert await change is Health.HEALTHY


@scenario
async def test_a_task_that_answers_badly_is_unhealthy_after_some_failures_in_a_row() -> None:
    async with watched() as (answers, changes):
        answers.status = "500 Oops"
        assert await anext(changes) is Health.UNHEALTHY
        assert len(answers.requests) == 3
        answers.status = "204 No Content"
        assert await anext(changes) is Health.HEALTHY


@scenario
async def test_silence_is_a_bad_answer() -> None:
    async with watched() as (answers, changes):
        answers.status = "silence"
        assert await anext(changes) is Health.UNHEALTHY


@scenario
async def test_a_task_that_does_not_listen_is_still_starting_until_the_grace_period_ends() -> None:
    async with watched(grace=0.3, listening=False) as (_, changes):
        started = asyncio.get_running_loop().time()
        assert await anext(changes) is Health.UNHEALTHY
        assert asyncio.get_running_loop().time() - started > 0.3


def test_checks_are_as_often_as_the_sandbox_likes_and_as_patient_as_the_service_says() -> None:
    group = {"TargetGroupArn": "tg", "HealthCheckPath": "/up", "HealthCheckTimeoutSeconds": 2}
    spec = ServiceSpec.from_api(
        service={
            "clusterArn": "c",
            "serviceArn": "s",
            "serviceName": "web",
            "healthCheckGracePeriodSeconds": 900,
        },
        task_definition={
            "taskDefinitionArn": "t",
            "family": "web",
            "revision": 1,
            "containerDefinitions": [
                {
                    "name": "web",
                    "image": "x",
                    "healthCheck": {"startPeriod": 300, "retries": 4, "command": []},
                }
            ],
        },
        target_group=group,
    )
    checks = HealthChecks.of(spec, Timings(probe_interval=5, probe_timeout=5))
    assert (checks.path, checks.interval, checks.timeout) == ("/up", 5, 2)
    assert (checks.grace_period, checks.failures) == (900, 4)
