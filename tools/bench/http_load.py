"""Clients over kept connections, each of which asks again as soon as it has its answer."""

import asyncio
import math
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import uvloop

_TIMEOUT = 10.0  # seconds for an answer
_WARM_UP = 1.0
_OK, _UNAVAILABLE = b"200", b"503"


@dataclass
class LoadResult:
    """What came of the requests of some seconds.

    Attributes
    ----------
    began
        When counting began; requests from before, with which connections are made, do not count.
    served, refused
        Seconds that answers took: those with status 200, and those with 503.
    others
        Answers with another status.
    timeouts
        Requests without an answer, connections that broke included.
    """

    began: float = math.inf
    seconds: float = 0.0
    served: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    others: int = 0
    timeouts: int = 0

    @property
    def goodput(self) -> float:
        """Answers with status 200 in a second."""
        return len(self.served) / self.seconds


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile in milliseconds, 0 without values."""
    if len(values) < 2:
        return 1000 * sum(values)
    return 1000 * statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, result: LoadResult) -> None:
        self._request, self._result = request, result
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._answer = b""
        self._began = 0.0
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.ask()

    def ask(self) -> None:
        if not self._ended:
            self._answer, self._began = b"", time.perf_counter()
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end or len(body) < int(_header(head, b"content-length")):
            return
        took, status = time.perf_counter() - self._began, head[9:12]
        if self._began < self._result.began:
            pass
        elif took > _TIMEOUT:
            self._result.timeouts += 1
        elif status == _OK:
            self._result.served.append(took)
        elif status == _UNAVAILABLE:
            self._result.refused.append(took)
        else:
            self._result.others += 1
        if status == _UNAVAILABLE:
            # A client that is asked to wait does, and not as long as all the others.
            wait = float(_header(head, b"retry-after")) * random.uniform(1, 2)  # noqa: S311 - no secret
            self._timer = self._loop.call_later(wait, self.ask)
        else:
            self.ask()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._result.timeouts += not self._ended

    def end(self) -> None:
        self._ended = True
        waited = time.perf_counter() - self._began
        self._result.timeouts += bool(self._began) and not self._timer and waited > _TIMEOUT
        self._transport.abort()


def _header(head: bytes, name: bytes) -> bytes:
    start = head.lower().find(b"\r\n" + name + b": ")
    return b"0" if start < 0 else head[start + len(name) + 4 :].partition(b"\r\n")[0]


async def _run(port: int, request: bytes, connections: int, seconds: float) -> LoadResult:
    loop, result = asyncio.get_running_loop(), LoadResult()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: _Client(request, result), "127.0.0.1", port)
        clients.append(client)
    await asyncio.sleep(_WARM_UP)
    result.began = time.perf_counter()
    await asyncio.sleep(seconds)
    result.seconds = time.perf_counter() - result.began
    for client in clients:
        client.end()
    return result


def http_load(port: int, path: str, *, cookie: str = "", connections: int, seconds: float) -> LoadResult:
    """Ask for a path over so many connections; who is refused waits as long as `Retry-After` says."""
    lines = [f"GET {path} HTTP/1.1", "host: bench", *([f"cookie: {cookie}"] if cookie else []), "", ""]
    return uvloop.run(_run(port, "\r\n".join(lines).encode(), connections, seconds))
