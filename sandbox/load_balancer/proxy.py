"""Answers the requests of a client's connection, one after another."""

import asyncio
import contextlib
import logging

import h11

from sandbox.load_balancer.balancer import Backend, Balancer
from sandbox.load_balancer.client import ClientConnection, ClientGoneError
from sandbox.load_balancer.config import Listener
from sandbox.load_balancer.exchange import Exchange
from sandbox.load_balancer.headers import error_page
from sandbox.load_balancer.upstream import UpstreamError

_logger = logging.getLogger(__name__)

_MAX_ATTEMPTS = 8
# Bodies up to this size are read before a target is chosen, so that they can be sent again.
_BUFFERED_BODY = 65536


async def serve(client: ClientConnection, port: int, balancer: Balancer) -> None:
    """Answer requests until either side is done with the connection, or the listener is gone."""
    try:
        while listener := balancer.listener(port):
            if not await _serve_one(client, listener, balancer):
                break
            client.http.start_next_cycle()
    except (ClientGoneError, TimeoutError):
        pass
    except h11.RemoteProtocolError as error:
        with contextlib.suppress(ClientGoneError):
            await _answer_with_page(client, error.error_status_hint)
    finally:
        client.close()


async def _serve_one(client: ClientConnection, listener: Listener, balancer: Balancer) -> bool:
    async with asyncio.timeout(listener.idle_timeout):
        request = await client.next_event()
        if not isinstance(request, h11.Request):
            return False
        body = await _buffered_body(client, request)
    status = await _try_targets(client, listener, balancer, request, body)
    if status is not None:
        await _answer_with_page(client, status, method=request.method)
    return client.is_idle


async def _buffered_body(client: ClientConnection, request: h11.Request) -> bytes | None:
    """Return the whole body if it is small and of known length, else None: it is passed on as it comes."""
    headers = dict(request.headers)
    if b"transfer-encoding" in headers or int(headers.get(b"content-length", b"0")) > _BUFFERED_BODY:
        return None
    parts = []
    while isinstance(event := await client.next_event(), h11.Data):
        parts.append(bytes(event.data))
    return b"".join(parts)


async def _try_targets(
    client: ClientConnection, listener: Listener, balancer: Balancer, request: h11.Request, body: bytes | None
) -> int | None:
    """Have the request answered; return None, or the status to answer with when no target did."""
    tried: set[Backend] = set()
    status = 503
    for _ in range(_MAX_ATTEMPTS):
        backend = balancer.pick(listener, tried=tried)
        if backend is None:
            break
        exchange = Exchange(client=client, listener=listener, backend=backend, request=request, body=body)
        backend.in_flight += 1
        try:
            await exchange.run()
        except UpstreamError as error:
            _logger.info("%s: %s %r: %s", backend.target.address, request.method, request.target, error)
            status = 504 if error.timed_out else 502
            backend.suspend()
            if not exchange.reused_connection:
                tried.add(backend)
            if not exchange.may_be_repeated(error):
                break
        else:
            return None
        finally:
            backend.in_flight -= 1
    return status


async def _answer_with_page(client: ClientConnection, status: int, *, method: bytes = b"GET") -> None:
    if client.http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
        client.abort()
        return
    head, body = error_page(status)
    content = [] if method == b"HEAD" else [body]
    await client.send(head, *content, h11.EndOfMessage())
