"""A service for tests of the scheduler, without a dependency, that behaves as its environment says.

BEHAVIOUR is "healthy", "unhealthy" (answers, but fails its health check), "deaf" (does not listen), "crash"
(ends at once) or "stubborn" (ignores SIGTERM). A healthy one becomes unhealthy when it is asked for /sicken.
SIGTERM is handled as common servers do it: no new connections, idle ones are closed, and what was read is
answered.
"""

import asyncio
import json
import os
import signal
import sys

BEHAVIOUR = os.environ.get("BEHAVIOUR", "healthy")
ending = asyncio.Event()
connections: set["Connection"] = set()
sick = BEHAVIOUR == "unhealthy"


class Connection(asyncio.Protocol):
    """Answers one request after another."""

    def __init__(self) -> None:
        self.received = b""
        self.answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if end and len(body) >= content_length(head):
            self.received = b""
            self.answering = asyncio.create_task(self.answer(*head.decode("latin-1").split(" ")[:2]))

    def close_if_idle(self) -> None:
        if self.answering is None and not self.received:
            self.transport.close()

    async def answer(self, method: str, path: str) -> None:
        global sick  # noqa: PLW0603 - the whole process is
        if path.startswith("/slow"):
            await asyncio.sleep(float(path.partition("=")[2]))
        sick = sick or path == "/sicken"
        status = b"503 Service Unavailable" if path == "/healthz" and sick else b"200 OK"
        close = b"Connection: close\r\n" if ending.is_set() else b""
        body = json.dumps({"pid": os.getpid(), "method": method, "environment": dict(os.environ)}).encode()
        head = b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n" % (status, close, len(body))
        self.transport.write(head + body)
        self.answering = None
        if close:
            self.transport.close()


def content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


async def main() -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, (lambda: None) if BEHAVIOUR == "stubborn" else ending.set)
    server = await loop.create_server(Connection, os.environ["HOST"], int(os.environ["PORT"]))
    say("listening")
    await ending.wait()
    server.close()
    for connection in list(connections):
        connection.close_if_idle()
    while connections:
        await asyncio.sleep(0.01)
    say("bye")


if BEHAVIOUR == "crash":
    sys.exit("cannot start: its environment says that it crashes")
if BEHAVIOUR == "deaf":
    signal.pause()
asyncio.run(main())
