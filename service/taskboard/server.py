"""The HTTP server, and how it ends without failing a request."""

import asyncio
import socket
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import cast

import uvicorn

from taskboard.middleware import Activity

# An Application Load Balancer keeps idle connections for 60 s by default. It must be the one that hangs up:
# otherwise it sends a request on a connection that is just being closed, and answers 502.
KEEP_ALIVE = 75
_BACKLOG = 1024
_TICK = 0.05
# Seconds that are left of the stop timeout for closing the pools and leaving.
_MARGIN = 1.0


class Server(uvicorn.Server):
    """Uvicorn that drains before it stops.

    A load balancer goes on sending requests for a moment after the process was told to stop. So they are
    served, each with `Connection: close`, until none has come for a tenth of the stop timeout, or half of it
    is over; only then is the port closed. Connections that were made last have another tenth to send their
    request, and what is being answered has the rest of the time.
    """

    def __init__(
        self, config: uvicorn.Config, *, stop: asyncio.Event, stop_timeout: float, activity: Activity
    ) -> None:
        super().__init__(config)
        self._stop = stop
        self._stop_timeout = stop_timeout
        self._quiet = stop_timeout / 10
        self._activity = activity

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to whoever sets `stop`: they may come before there is a server."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Tell whether to shut down."""
        self.should_exit = self.should_exit or self._stop.is_set()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop."""
        deadline = time.monotonic() + self._stop_timeout - _MARGIN
        await self._linger()
        await self._stop_listening(sockets or [])
        await self._await_first_requests()
        self.config.timeout_graceful_shutdown = max(1, int(deadline - time.monotonic()))
        await super().shutdown(sockets)

    async def _linger(self) -> None:
        self.config.encoded_headers.append((b"connection", b"close"))
        for connection in self.server_state.connections:
            if (cycle := getattr(connection, "cycle", None)) is not None:
                cycle.keep_alive = False
        began = time.monotonic()
        end = began + self._stop_timeout / 2
        while time.monotonic() < min(end, max(began, self._activity.last_request) + self._quiet):
            await super().on_tick(0)  # which puts the headers in force, and the time of day with them
            await asyncio.sleep(_TICK)

    async def _stop_listening(self, sockets: Sequence[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        accepted = []
        for listener in sockets:
            # The kernel resets connections that it has accepted and nobody has fetched yet.
            with suppress(BlockingIOError):
                while True:
                    accepted.append(listener.accept()[0])
            listener.close()
        for server in self.servers:
            server.close()
        for connection in accepted:
            connection.setblocking(False)
            await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        protocol_class = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        return protocol_class(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def _await_first_requests(self) -> None:
        end = time.monotonic() + self._quiet
        await asyncio.sleep(_TICK)
        while time.monotonic() < end and any(
            getattr(connection, "cycle", None) is None for connection in self.server_state.connections
        ):
            await asyncio.sleep(_TICK)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    OSError
        If the address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    listener.setblocking(False)
    return listener
