"""A service for tests of the scheduler, without a dependency, that behaves as its environment tells it to.

BEHAVIOUR is "healthy", "unhealthy" (answers, but fails its health check), "deaf" (does not listen), "crash" (ends
at once) or "stubborn" (ignores SIGTERM). A healthy one becomes unhealthy when it is asked for /sicken. SIGTERM is
handled as common servers do: no new connections, idle ones are closed, requests in flight are answered.
"""

import asyncio
import json
import os
import signal
import sys

BEHAVIOUR = os.environ.get("BEHAVIOUR", "healthy")


class Server:
    def __init__(self) -> None:
        self.ending = asyncio.Event()
        self.idle: set[asyncio.StreamWriter] = set()
        self.busy = 0
        self.sick = BEHAVIOUR == "unhealthy"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not self.ending.is_set():
                self.idle.add(writer)
                head = await reader.readuntil(b"\r\n\r\n")
                self.idle.discard(writer)
                self.busy += 1
                try:
                    await self.answer(head, reader, writer)
                finally:
                    self.busy -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.idle.discard(writer)
            writer.close()

    async def answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, path, *_ = head.decode("latin-1").split(" ")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await reader.readexactly(int(line.partition(b":")[2]))
        if path.startswith("/slow"):
            await asyncio.sleep(float(path.partition("=")[2]))
        if path == "/sicken":
            self.sick = True
        failing = path == "/healthz" and self.sick
        body = json.dumps({"pid": os.getpid(), "method": method, "environment": dict(os.environ)}).encode()
        close = b"Connection: close\r\n" if self.ending.is_set() else b""
        status = b"503 Service Unavailable" if failing else b"200 OK"
        writer.write(b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, close, len(body), body))
        await writer.drain()

    async def run(self) -> None:
        # A stubborn service ends only by SIGKILL.
        end = (lambda: None) if BEHAVIOUR == "stubborn" else self.ending.set
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
        server = await asyncio.start_server(self.accept, os.environ["HOST"], int(os.environ["PORT"]))
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        await self.ending.wait()
        server.close()
        for writer in list(self.idle):
            writer.close()
        while self.busy:
            await asyncio.sleep(0.01)
        sys.stdout.write("bye\n")


if BEHAVIOUR == "crash":
    sys.exit("cannot start: it was told to crash")
if BEHAVIOUR == "deaf":
    signal.pause()
asyncio.run(Server().run())
