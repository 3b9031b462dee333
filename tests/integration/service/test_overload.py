"""What many requests at once cost, and what they are answered."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
from valkey.asyncio.client import Pipeline, Valkey

from taskboard.application import create_app
from taskboard.board import Board
from taskboard.settings import Settings
from tests.integration.service.support import Backends, RunningService
from tests.integration.service.test_api import PASSWORD, create_project, sign_up
from tests.plain_http import NO_TLS


def test_sign_ins_beyond_the_queue_are_refused_and_marked_as_such(service: RunningService) -> None:
    async def test() -> Counter[int]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=service.url, timeout=60, limits=limits, verify=NO_TLS
        ) as client:
            wrong = {"email": "unknown@example.com", "password": PASSWORD}
            answers = await asyncio.gather(
                *(client.post("/api/v1/sign-in", json=wrong) for _ in range(50)), client.get("/healthz")
            )
        assert answers.pop().status_code == 200
        assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)
        return Counter(answer.status_code for answer in answers)

    statuses = asyncio.run(test())
    assert statuses[503] > 0
    assert statuses[401] >= 16
    assert statuses[401] + statuses[503] + statuses[429] == 50
    assert sum(line.get("shed") is True for line in service.lines()) == statuses[503]


def test_a_list_costs_one_pipeline_and_one_statement(
    service: RunningService, client: httpx.Client, backends: Backends, database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    sign_up(client)
    project = create_project(client)
    client.post(f"/api/v1/projects/{project}/tasks", json={"title": "A task"})
    environment = backends.environment(database)
    for name in ("SSL_CERT_FILE", "PGSSLROOTCERT"):
        monkeypatch.setenv(name, environment[name])
    asked: list[str] = []

    def counted(kind: type, name: str) -> None:
        real: Callable[..., Any] = getattr(kind, name)

        async def call(self: object, *arguments: object, **options: object) -> object:
            asked.append(f"{kind.__name__}.{name}")
            return await real(self, *arguments, **options)

        monkeypatch.setattr(kind, name, call)

    async def lists() -> None:
        app = create_app(Settings.read(environment), Board())
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=service.url, cookies=client.cookies) as asker,
        ):
            for path, count in ((f"/api/v1/projects/{project}/tasks", 1), ("/api/v1/projects", 1)):
                asked.clear()
                answer = await asker.get(path)
                assert len(answer.json()["items"]) == count, answer.text
                assert sorted(asked) == ["AsyncCursor.execute", "Pipeline.execute"]

    counted(Pipeline, "execute")
    counted(Valkey, "execute_command")
    counted(psycopg.AsyncCursor, "execute")
    asyncio.run(lists())
