"""What a worker does when it is asked for more than it can do."""

import asyncio
import json
import logging
from http import HTTPStatus

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from taskboard import middleware as middleware_module
from taskboard.board import Board
from taskboard.errors import OverloadedError
from taskboard.middleware import MAX_ARRIVING, MAX_IN_FLIGHT, RequestMiddleware
from taskboard.passwords import MAX_WAITING, Passwords


async def answer(
    middleware: RequestMiddleware, path: str, *, body: bool = False, slow: bool = False
) -> tuple[int, dict[str, str], bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        if slow:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-length", b"2")] if body else []
    scope: Scope = {
        "type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers, "client": None
    }  # fmt: skip
    await middleware(scope, receive, send)
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message["body"] for message in sent[1:])


def test_requests_beyond_the_bound_are_refused_at_once_and_health_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        free = asyncio.Event()

        async def busy(scope: Scope, receive: Receive, send: Send) -> None:
            await free.wait()
            await PlainTextResponse("done")(scope, receive, send)

        middleware = RequestMiddleware(busy, board=Board(), https=False, health=PlainTextResponse("ok"))
        running = [asyncio.ensure_future(answer(middleware, "/x")) for _ in range(MAX_IN_FLIGHT)]
        await asyncio.sleep(0)
        status, headers, body = await answer(middleware, "/x")
        assert (status, headers["retry-after"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "1")
        assert json.loads(body)["error"]["code"] == "overloaded"
        assert (await answer(middleware, "/healthz"))[0] == HTTPStatus.OK
        free.set()
        assert {status for status, *_ in await asyncio.gather(*running)} == {HTTPStatus.OK}
        assert (await answer(middleware, "/x"))[0] == HTTPStatus.OK

    with caplog.at_level(logging.INFO, "taskboard.access"):
        asyncio.run(test())
    # One line for each, by which the alarm on a deployment's errors leaves them out.
    assert sum(getattr(record, "shed", False) for record in caplog.records) == 1


def test_slow_bodies_keep_no_one_waiting_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware_module, "BODY_TIMEOUT", 0.2)

    async def test() -> None:
        middleware = RequestMiddleware(
            PlainTextResponse("done"), board=Board(), https=False, health=PlainTextResponse("ok")
        )
        slow = [
            asyncio.ensure_future(answer(middleware, "/x", body=True, slow=True)) for _ in range(MAX_ARRIVING)
        ]
        await asyncio.sleep(0)
        assert (await answer(middleware, "/x"))[0] == HTTPStatus.OK
        status, headers, _ = await answer(middleware, "/x", body=True)
        assert (status, headers["retry-after"]) == (HTTPStatus.SERVICE_UNAVAILABLE, "1")
        for status, headers, body in await asyncio.gather(*slow):
            assert (status, headers["connection"]) == (HTTPStatus.REQUEST_TIMEOUT, "close")
            assert json.loads(body)["error"]["code"] == "request_timeout"
        assert (await answer(middleware, "/x", body=True))[0] == HTTPStatus.OK

    asyncio.run(test())


def test_answers_close_their_connections_while_the_task_drains() -> None:
    board = Board()
    middleware = RequestMiddleware(
        PlainTextResponse("done"), board=board, https=False, health=PlainTextResponse("ok")
    )
    assert "connection" not in asyncio.run(answer(middleware, "/x"))[1]
    board.draining = True
    assert asyncio.run(answer(middleware, "/x"))[1]["connection"] == "close"


def test_queue_for_hashes_has_an_end() -> None:
    passwords = Passwords()

    async def sign_in() -> bool:
        with passwords.turn():
            return await passwords.matches("wrong", None)

    async def test() -> None:
        results = await asyncio.gather(*(sign_in() for _ in range(MAX_WAITING + 3)), return_exceptions=True)
        assert [type(each) for each in results] == [bool] * MAX_WAITING + [OverloadedError] * 3
        assert await sign_in() is False

    asyncio.run(test())
    passwords.close()
