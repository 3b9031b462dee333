"""Bounds on the head of a request, and an answer in the one shape for what is no HTTP.

Why so: `docs/decisions/0045-uvicorn-behind-a-guard.md`.
"""

import asyncio
import secrets
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from taskboard.errors import ApiError

# An Application Load Balancer keeps idle connections for 60 s by default. It must be the one that hangs up:
# otherwise it sends a request on a connection that is just being closed, and answers 502.
KEEP_ALIVE = 75
# What an Application Load Balancer lets through, with what it adds itself.
MAX_HEAD = 68 * 1024  # bytes
HEAD_TIMEOUT = 15.0  # seconds from the first byte of a head to its last
# How long a connection is kept on which the client may be sending still: it would see it reset otherwise.
_GRACE = 0.5
# No client can ask for these paths: it would have to guess them.
_REFUSED = f"/{secrets.token_hex(16)}/"
_REFUSALS = {
    HTTPStatus.BAD_REQUEST: ("bad_request", "this is not a request as HTTP has it"),
    HTTPStatus.REQUEST_TIMEOUT: ("request_timeout", f"the headers took more than {HEAD_TIMEOUT:.0f} s"),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        "headers_too_large",
        f"request line and headers have more than {MAX_HEAD} bytes",
    ),
}


def refusal(path: str) -> ApiError | None:
    """Return the error that a request means, or None when it is a client's own."""
    if not path.startswith(_REFUSED):
        return None
    status = HTTPStatus(int(path.removeprefix(_REFUSED)))
    code, message = _REFUSALS[status]
    return ApiError(status, code, message)


class BoundedHeads(asyncio.Protocol):
    """Passes whole heads on to the server's own protocol, and asks it for an error in place of the others.

    So the answer has its place behind those to earlier requests, its id, its headers and its line in the log.
    A request that is refused when a part of it was passed on already (a body that is not framed as its head
    says, a head that follows another request in one packet) ends with its connection.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._server = HttpToolsProtocol(config, server_state, app_state, _loop)
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as the server's
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._held: bytes | None = b""  # of a head; None while a message is passed on
        self._passed = 0  # bytes of a head that was passed on in parts
        self._heads = 0
        self._url = b""
        self._in_message = False
        self._in_head = True
        self._refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = self._loop.call_later(KEEP_ALIVE, transport.close)
        self._server.connection_made(cast("asyncio.Transport", _PatientTransport(self._transport, self)))

    @property
    def may_be_sending(self) -> bool:
        """Whether the client is in the middle of a request that is refused, or has just connected."""
        return self._refused or not (self._heads or self._held)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        if self._refused:
            return
        heads, passes_head = self._heads, self._passes_head
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # which the server does not follow
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        is_whole = self._heads > heads
        data = (self._held or b"") + data
        if self._held is not None or passes_head:
            size = self._passed + (data.find(b"\r\n\r\n") if is_whole else len(data))
            if size > MAX_HEAD:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                return
            if not is_whole:
                self._await_rest(data, passes_head=passes_head)
                return
        self._stop_timer()
        self._held = None if self._in_message else b""
        self._passed = 0
        if self._passes_head:  # the first part of the next one, which cannot be said from this packet's rest
            self._start_timer()
        self._server.data_received(data)

    @property
    def _passes_head(self) -> bool:
        """Whether the beginning of a head was passed on behind an earlier request in one packet."""
        return self._held is None and self._in_message and self._in_head

    def _await_rest(self, data: bytes, *, passes_head: bool) -> None:
        if passes_head:
            self._passed += len(data)
            self._server.data_received(data)
            return
        if not self._held:
            self._start_timer()
        self._held = data

    def _start_timer(self) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(HEAD_TIMEOUT, self._refuse, HTTPStatus.REQUEST_TIMEOUT)

    def _refuse(self, status: HTTPStatus) -> None:
        self._stop_timer()
        self._refused = True
        if self._held is None:
            self._transport.close()
            return
        line = f"GET {_REFUSED}{status:d} HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n"
        self._server.data_received(line.encode())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        self._in_message, self._in_head, self._url = True, True, b""

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Refuse what follows a body: the server would take it for a header (RFC 9112, section 7.1.2)."""
        del name, value
        if not self._in_head:
            raise httptools.HttpParserError("the body has trailers")

    def on_headers_complete(self) -> None:
        """Note that a head is whole."""
        self._in_head = False
        httptools.parse_url(self._url).path.decode("ascii")  # or it is refused, as the server would
        self._heads += 1

    def on_message_complete(self) -> None:
        """Note that a request is whole."""
        self._in_message = False

    def eof_received(self) -> None:
        """Have the connection closed."""
        self._server.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_timer()
        self._server.connection_lost(exc)

    def pause_writing(self) -> None:
        """Have the server wait."""
        self._server.pause_writing()

    def resume_writing(self) -> None:
        """Have the server go on."""
        self._server.resume_writing()


class _PatientTransport:
    """A transport that is closed a moment later where the client may be sending still."""

    def __init__(self, transport: asyncio.Transport, connection: BoundedHeads) -> None:
        self._transport = transport
        self._connection = connection
        self.write = transport.write

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def close(self) -> None:
        if self._connection.may_be_sending:
            asyncio.get_running_loop().call_later(_GRACE, self._transport.close)
        else:
            self._transport.close()
