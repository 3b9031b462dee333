"""A load balancer, with targets in the test's event loop that say exactly what the test wants."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil

from sandbox.layout import Layout
from sandbox.load_balancer.config import Listener, Target, TargetState
from sandbox.load_balancer.control import LoadBalancerControl
from sandbox.ports import LOAD_BALANCER_PORTS, Ports
from sandbox.processes import ProcessIdentity
from sandbox.tls import Authority, authority_in

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class FakeTarget:
    """Answers every request on a connection with the handler, which gets the request's head."""

    port: int
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0


@contextlib.asynccontextmanager
async def target(handler: Handler | bytes) -> AsyncIterator[FakeTarget]:
    """Run a target that answers with fixed bytes, or as the handler does."""
    fake = FakeTarget(0)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fake.connections += 1
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                fake.heads.append(head)
                if isinstance(handler, bytes):
                    await reader.readexactly(content_length(head))
                    writer.write(handler)
                else:
                    await handler(head, reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()


@dataclass(frozen=True)
class Balancing:
    """A load balancer's process."""

    control: LoadBalancerControl
    ports: Ports
    layout: Layout

    @property
    def authority(self) -> Authority:
        """Signed the certificate of its listeners."""
        return authority_in(self.layout.tls)

    def connections(self) -> list[Any]:
        """Return the sockets of its process."""
        identity = ProcessIdentity.load(self.layout.run / "load_balancer.json")
        assert identity is not None
        return list(psutil.Process(identity.pid).net_connections("inet"))

    @contextlib.asynccontextmanager
    async def listening(
        self, *targets: int, idle_timeout: float = 5, secure: bool = False, refusing: tuple[str, ...] = ()
    ) -> AsyncIterator["Listening"]:
        """Have a listener that forwards to healthy targets on these ports."""
        name = LOAD_BALANCER_PORTS + os.urandom(4).hex()
        listening = Listening(self.ports.get(name), self.control, name)
        listening.set_states(dict.fromkeys(targets, TargetState.HEALTHY))
        listener = Listener(
            port=listening.port,
            forward={name: 1},
            idle_timeout=idle_timeout,
            secure=secure,
            blocking_rules=refusing,
        )
        self.control.put_listener(listener)
        try:
            yield listening
        finally:
            self.control.remove_listener(listening.port)
            self.control.remove_target_group(name)
            self.ports.release(name)


@dataclass
class Listening:
    """A listener with targets."""

    port: int
    control: LoadBalancerControl
    group: str

    def set_states(self, states: dict[int, TargetState]) -> None:
        """Register the targets on these ports, and no others."""
        for target in self.control.targets(self.group):
            if target.port not in states:
                self.control.remove_target(self.group, target.address)
        for port, state in states.items():
            self.control.put_target(self.group, Target(port=port, state=state))

    async def connect(self) -> Streams:
        """Open a client's connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, request: bytes) -> bytes:
        """Return everything that comes back for a request after which the connection is closed."""
        reader, writer = await self.connect()
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer


@contextlib.contextmanager
def socket_target(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run a target on bare sockets, for what only a kernel can do; yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        behave(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def content_length(head: bytes) -> int:
    """Return the length of the body that follows a head."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def lines(head: bytes) -> list[bytes]:
    """Return the lines of a head without the empty ones at its end."""
    return head.partition(b"\r\n\r\n")[0].split(b"\r\n")
