"""The real servers behind emulated databases and caches: started, watched and stopped in one place."""

import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from sandbox.ports import HOST
from sandbox.problems import Problem

_logger = logging.getLogger(__name__)

_KINDS = {"postgres": "PostgreSQL", "valkey": "Valkey"}
_WATCH_SECONDS = 0.5
_CONNECT_SECONDS = 2.0


class Server(Protocol):
    """A server that listens on one port of the loopback interface."""

    @property
    def port(self) -> int:
        """Where it listens."""

    @property
    def log(self) -> Path:
        """What it says."""

    def start(self) -> None:
        """Start it; no effect when it runs."""

    def stop(self) -> bool:
        """Stop it; return whether it ran."""

    def destroy(self) -> None:
        """Stop it and remove its data."""


class BackingServers:
    """The servers by name; one that dies is started again.

    All of them are started from one thread that lives as long as this process: Linux ends a bound child with
    the thread that started it.
    """

    def __init__(self) -> None:
        self._servers: dict[str, Server] = {}
        self._failures: dict[str, str] = {}
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="backing-servers")

    def start(self, name: str, server: Server) -> None:
        """Start a new server and keep it running until `stop` or `destroy`; what fails is raised."""
        self._starter.submit(server.start).result()
        self._servers[name] = server

    def resume(self, name: str, server: Server) -> None:
        """Keep a server that exists running from now on, without waiting until it does."""
        # Known before it is started, so that one that dies while it starts is started again, too.
        self._servers[name] = server
        self._starter.submit(self._start_unless_ended, name)

    def stop(self, name: str, server: Server) -> None:
        """Stop a server and leave it stopped."""
        self._servers.pop(name, None)
        self._starter.submit(server.stop).result()

    def destroy(self, name: str, server: Server) -> None:
        """Stop a server and remove its data."""
        self._servers.pop(name, None)
        self._starter.submit(server.destroy).result()

    def stop_all(self) -> None:
        """Stop every server."""
        for name, server in list(self._servers.items()):
            self.stop(name, server)

    def problems(self) -> list[Problem]:
        """Return the servers that should run and cannot be started."""
        return [
            Problem(
                part=_title(name), state="does not start", log=str(server.log), lines=failure.splitlines()
            )
            for name, server in list(self._servers.items())
            if (failure := self._failures.get(name))
        ]

    def watch(self) -> None:
        """Start again what dies, on a thread."""
        threading.Thread(target=self._watch, name="backing-server-watch", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(_WATCH_SECONDS)
            for name, server in list(self._servers.items()):
                if not _listens(server.port):
                    _logger.warning("%s does not answer on port %s; starting it", name, server.port)
                    self._restart(name)

    def _restart(self, name: str) -> None:
        try:
            self._starter.submit(self._start_unless_ended, name).result()
        except Exception:
            _logger.exception("%s could not be started; trying again", name)

    def _start_unless_ended(self, name: str) -> None:
        server = self._servers.get(name)
        if server is None:
            return
        try:
            server.start()
        except Exception as error:
            self._failures[name] = str(error)
            raise
        self._failures.pop(name, None)


def _title(name: str) -> str:
    kind, _, cluster = name.partition("/")
    return f"{_KINDS.get(kind, kind)} ({cluster})"


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
