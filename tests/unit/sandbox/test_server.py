"""Who the control plane answers."""

import asyncio
from typing import Any

import pytest

from sandbox.server import _application


def status(**headers: str) -> int:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": "/here", "headers": given}
    asyncio.run(_application({"/here": lambda: "yes"}, scope, None, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://example.com"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1.example.com:8000"},
        {"sec_fetch_site": "cross-site"},
    ],
)
def test_page_of_another_machine_is_not_answered(headers: dict[str, str]) -> None:
    assert status(**headers) == 403


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://127.0.0.1:8000"}, {"origin": "http://localhost"}, {"sec_fetch_site": "none"}],
)
def test_programs_and_pages_of_this_machine_are_answered(headers: dict[str, str]) -> None:
    assert status(**headers) == 200
