"""What surrounds every request: its id, its log line, its bounds and the headers of its response."""

import asyncio
import logging
import re
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskboard import logs
from taskboard.board import Board
from taskboard.errors import ApiError, OverloadedError, error_response
from taskboard.heads import refusal

_logger = logging.getLogger("taskboard.access")

_MAX_BODY = 64 * 1024  # bytes; the largest legitimate body is far below
# What is read of a body that is too large, and for how long: who is still sending when the connection is
# closed sees it reset, and not the answer.
_MAX_DISCARDED = 16 * 1024 * 1024  # bytes
_DISCARD_TIMEOUT = 5.0  # seconds
BODY_TIMEOUT = 20.0  # seconds
# Whole requests that a worker answers at a time: more would only wait, for connections to cache and database
# and for their turn. With twice as many the goodput at 400 connections was measured to be two thirds of this.
MAX_IN_FLIGHT = 20
# Requests of a worker whose bodies are on their way: what is read of them stays in memory, 13 MB at most.
MAX_ARRIVING = 200
_GIVEN_ID = re.compile(r"[A-Za-z0-9._=;-]{8,128}")
_GIVEN_IDS = {"client_request_id": "x-request-id", "trace_id": "x-amzn-trace-id"}
# One of them is there if there is a body (RFC 9112, section 6).
_BODY_HEADERS = frozenset({"content-length", "transfer-encoding"})
_HEALTH_PATH = "/healthz"
_SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    # What is no page needs nothing; pages bring a policy of their own.
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
_HTTPS_ONLY = {"strict-transport-security": "max-age=63072000"}


@dataclass
class RequestContext:
    """What is known about a request beyond its message; `request.state.context`.

    Attributes
    ----------
    client
        Address of the client, as the load balancer saw it.
    response_headers
        Headers that its response gets, whichever way it ends.
    log
        Further fields of its log line.
    """

    id: str
    client: str
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    log: dict[str, object] = field(default_factory=dict)


class RequestMiddleware:
    """Gives a request its context, and answers for it when the application fails."""

    def __init__(self, app: ASGIApp, *, board: Board, https: bool, health: ASGIApp) -> None:
        self._app = app
        self._board = board
        self._health = health
        self._whole = 0  # requests that are whole and have no answer yet
        self._arriving = 0  # requests that are not
        self._headers = _SECURITY_HEADERS | (_HTTPS_ONLY if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        context = RequestContext(id=uuid.uuid4().hex, client=_client(scope, headers), log=_given_ids(headers))
        scope.setdefault("state", {})["context"] = context
        if scope["path"] != _HEALTH_PATH:
            self._board.last_request = time.monotonic()
        token = logs.request_id.set(context.id)
        try:
            await self._answer(scope, receive, send, context)
        finally:
            logs.request_id.reset(token)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, context: RequestContext) -> None:
        began = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(MutableHeaders(scope=message), context)
            await send(message)

        try:
            await self._respond(scope, receive, send_with_headers, context)
        except ApiError as error:
            await error_response(error)(scope, receive, send_with_headers)
        except Exception:
            _logger.exception("the request failed")
            if status:
                raise  # too late for another answer: the connection breaks, so that no one takes it for whole
            failure = ApiError(
                HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "something went wrong here"
            )
            await error_response(failure)(scope, receive, send_with_headers)
        finally:
            duration = round((time.perf_counter() - began) * 1000, 1)
            _log(scope, context, status=status, duration_ms=duration)

    async def _respond(self, scope: Scope, receive: Receive, send: Send, context: RequestContext) -> None:
        path = scope["path"]
        if path == _HEALTH_PATH and not scope["query_string"] and scope["method"] == "GET":
            # Asked for all the time, and not to wait when the worker is busy.
            await self._health(scope, receive, send)
            return
        if refused := refusal(path):
            scope["method"] = scope["path"] = "-"  # for the log
            raise refused
        # First the whole of it: who sends it slowly takes no one's turn.
        body = await self._arrived(scope, receive, context)
        if self._whole >= MAX_IN_FLIGHT and path != _HEALTH_PATH:
            context.log["shed"] = True
            raise OverloadedError
        self._whole += 1
        try:
            await self._app(scope, _again(body, receive), send)
        finally:
            self._whole -= 1

    async def _arrived(self, scope: Scope, receive: Receive, context: RequestContext) -> bytes:
        if self._arriving >= MAX_ARRIVING and not _BODY_HEADERS.isdisjoint(Headers(scope=scope)):
            context.log["shed"] = True
            raise OverloadedError
        self._arriving += 1
        try:
            return await _body(receive)
        finally:
            self._arriving -= 1

    def _add_headers(self, headers: MutableHeaders, context: RequestContext) -> None:
        headers["x-request-id"] = context.id
        if "etag" in headers:
            headers.setdefault("cache-control", "no-cache")  # kept, and asked for each time
        for name, value in self._headers.items():
            headers.setdefault(name, value)
        for name, value in context.response_headers:
            headers.append(name, value)
        if self._board.draining:
            headers["connection"] = "close"


def _log(scope: Scope, context: RequestContext, **outcome: object) -> None:
    # The query string stays out of it: people put secrets there.
    level = logging.DEBUG if scope["path"] == _HEALTH_PATH and outcome["status"] == 200 else logging.INFO
    fields = {
        "method": scope["method"],
        "path": scope["path"],
        "client": context.client,
        **outcome,
        **context.log,
    }
    _logger.log(level, "%s %s", scope["method"], scope["path"], extra=fields)


def _given_ids(headers: Headers) -> dict[str, object]:
    # Under names of their own: who chooses an id can choose that of another request.
    given = {name: headers.get(header, "") for name, header in _GIVEN_IDS.items()}
    return {name: value for name, value in given.items() if _GIVEN_ID.fullmatch(value)}


def _client(scope: Scope, headers: Headers) -> str:
    # The load balancer appends whom it talks to; whatever is before that, the client wrote itself.
    # Several lines of a header are one list (RFC 9110, 5.3).
    forwarded = ",".join(headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
    peer = scope["client"][0] if scope["client"] else "unknown"
    return forwarded or peer


async def _body(receive: Receive) -> bytes:
    """Read the body of a request.

    Raises
    ------
    ApiError
        If it is too large or too slow.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ApiError(HTTPStatus.BAD_REQUEST, "bad_request", "the body has no end")
                body += message.get("body", b"")
                if len(body) > _MAX_BODY:
                    break
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise ApiError(
            HTTPStatus.REQUEST_TIMEOUT,
            "request_timeout",
            f"the body took more than {BODY_TIMEOUT:.0f} s",
            headers={"connection": "close"},
        ) from None
    if message.get("more_body", False):
        await _discard(receive)
    raise ApiError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_large",
        f"the body has more than {_MAX_BODY} bytes",
        headers={"connection": "close"},
    )


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what receives a body that was read already, and then what else comes."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


async def _discard(receive: Receive) -> None:
    discarded = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_TIMEOUT):
            while discarded < _MAX_DISCARDED:
                message = await receive()
                discarded += len(message.get("body", b""))
                if not message.get("more_body", False):  # the end, or the client has gone
                    return
