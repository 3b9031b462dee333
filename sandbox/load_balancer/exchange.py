"""One request, given to one target."""

import asyncio
import contextlib

import h11

from sandbox.load_balancer.balancer import Backend
from sandbox.load_balancer.client import ClientConnection, ClientGoneError
from sandbox.load_balancer.config import Listener
from sandbox.load_balancer.headers import request_headers, response_headers
from sandbox.load_balancer.upstream import ConnectError, Upstream, UpstreamError

# No server in common use reads less than this at once: of a shorter request it has seen all or nothing.
_ATOMIC_REQUEST = 4096
_FLUSH_SIZE = 65536
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})  # RFC 9110, section 9.2.2


class Exchange:
    """An attempt to have a request answered by a target.

    Attributes
    ----------
    reused_connection
        Whether the request went over a connection that had been idle, which the target may have been about
        to close.
    """

    def __init__(
        self,
        *,
        client: ClientConnection,
        listener: Listener,
        backend: Backend,
        request: h11.Request,
        body: bytes | None,
    ) -> None:
        self.reused_connection = False
        self._client = client
        self._listener = listener
        self._backend = backend
        self._request = request
        self._body = body
        self._request_size = 0

    async def run(self) -> None:
        """Send the request and pass the response on.

        Raises
        ------
        UpstreamError
            When the target fails before the response has begun; nothing was sent to the client then.
        ClientGoneError
            When the client hangs up, or the response breaks off and the client's connection with it.
        """
        upstream = await self._backend.connection(reuse=self._can_lose_its_connection())
        self.reused_connection = upstream.used
        try:
            await self._run(upstream)
        except BaseException:
            upstream.close()
            raise
        self._backend.release(upstream)

    def may_be_repeated(self, error: UpstreamError) -> bool:
        """Return whether the request can go to another target without any risk of being obeyed twice."""
        if isinstance(error, ConnectError):
            return True
        if self._body is None or error.timed_out:
            return False
        unseen = error.unread and self._request_size <= _ATOMIC_REQUEST
        return unseen or self._request.method in _IDEMPOTENT

    def _can_lose_its_connection(self) -> bool:
        """Return whether the request can be repeated if its connection is one that the target is closing."""
        if self._body is None:
            return False
        return self._request.method in _IDEMPOTENT or len(self._body) < _ATOMIC_REQUEST

    async def _run(self, upstream: Upstream) -> None:
        head = upstream.http.send(self._upstream_request()) or b""
        if self._body is None:
            await upstream.write(head)
            sending = asyncio.create_task(self._pass_body_on(upstream))
        else:
            data = head + self._whole_body(upstream)
            self._request_size = len(data)
            await upstream.write(data)
            sending = None
        try:
            await self._pass_response_on(upstream, sending)
        finally:
            if sending is not None:
                sending.cancel()

    def _upstream_request(self) -> h11.Request:
        headers = request_headers(
            self._request,
            client=self._client.address,
            scheme=self._listener.scheme,
            port=self._listener.port,
            target=self._backend.target.address,
        )
        return h11.Request(method=self._request.method, target=self._request.target, headers=headers)

    def _whole_body(self, upstream: Upstream) -> bytes:
        data = upstream.http.send(h11.Data(data=self._body)) if self._body else b""
        return (data or b"") + (upstream.http.send(h11.EndOfMessage()) or b"")

    async def _pass_body_on(self, upstream: Upstream) -> None:
        try:
            while isinstance(event := await self._client.next_event(), h11.Data):
                await upstream.write(upstream.http.send(event) or b"")
            await upstream.write(upstream.http.send(h11.EndOfMessage()) or b"")
        except UpstreamError:
            return  # the one that waits for the response learns it too
        except (ClientGoneError, h11.RemoteProtocolError):
            upstream.close()

    async def _pass_response_on(self, upstream: Upstream, sending: asyncio.Task[None] | None) -> None:
        event = await upstream.next_event(self._listener.idle_timeout)
        while isinstance(event, h11.InformationalResponse):
            if event.status_code == 101:
                await self._tunnel(upstream, event)
                return
            if event.status_code != 100:  # the load balancer has asked for the body itself
                await self._client.send(event)
            event = await upstream.next_event(self._listener.idle_timeout)
        assert isinstance(event, h11.Response)  # noqa: S101 - h11's state machine allows nothing else here
        # A client that is still sending its body cannot be understood afterwards.
        unread = sending is not None and not sending.done()
        headers = response_headers(event, close=unread)
        response = h11.Response(status_code=event.status_code, reason=event.reason, headers=headers)
        if _is_short(response):
            # As a whole or not at all: until it has begun to be sent, another target may be asked.
            await self._client.send(response, *await self._whole_content(upstream))
            upstream.end_exchange()
            return
        try:
            await self._pass_content_on(upstream, response)
        except UpstreamError as error:
            self._client.abort()
            raise ClientGoneError from error
        upstream.end_exchange()

    async def _whole_content(self, upstream: Upstream) -> list[h11.Event]:
        events: list[h11.Event] = []
        while not events or not isinstance(events[-1], h11.EndOfMessage):
            events.append(await upstream.next_event(self._listener.idle_timeout))
        return events

    async def _pass_content_on(self, upstream: Upstream, response: h11.Response) -> None:
        send = self._client.http.send
        out = send(response) or b""
        while True:
            event = upstream.buffered_event()
            if event is None or len(out) > _FLUSH_SIZE:
                await self._client.write(out)
                out = b""
            if event is None:
                event = await upstream.next_event(self._listener.idle_timeout)
            if isinstance(event, h11.EndOfMessage):
                await self._client.write(out + (send(h11.EndOfMessage()) or b""))
                return
            out += send(event) or b""

    async def _tunnel(self, upstream: Upstream, switch: h11.InformationalResponse) -> None:
        headers = response_headers(switch, close=False)
        await self._client.send(h11.InformationalResponse(status_code=101, headers=headers))
        early, _ = self._client.http.trailing_data
        answer, _ = upstream.http.trailing_data
        await upstream.write(early)
        await self._client.write(answer)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._towards_target(upstream))
            group.create_task(self._towards_client(upstream))
        upstream.close()

    async def _towards_target(self, upstream: Upstream) -> None:
        with contextlib.suppress(UpstreamError, ClientGoneError):
            while data := await self._client.read():
                await upstream.write(data)
        upstream.end_stream()

    async def _towards_client(self, upstream: Upstream) -> None:
        with contextlib.suppress(UpstreamError, ClientGoneError):
            while data := await upstream.read(timeout=None):
                await self._client.write(data)
        self._client.end_stream()


def _is_short(response: h11.Response) -> bool:
    return int(dict(response.headers).get(b"content-length", _FLUSH_SIZE)) < _FLUSH_SIZE
