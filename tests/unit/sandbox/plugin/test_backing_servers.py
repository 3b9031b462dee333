"""Servers are kept running until they are stopped."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.plugin.backing_servers import BackingServers


class Server:
    """A listening socket."""

    log = Path("server.log")

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self.port = 0
        self.starts = 0
        self.destroyed = False

    def start(self) -> None:
        if self._socket is None:
            self._socket = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
            self.port = self._socket.getsockname()[1]
            self.starts += 1

    def stop(self) -> bool:
        if self._socket is None:
            return False
        self._socket.close()
        self._socket = None
        return True

    def destroy(self) -> None:
        self.stop()
        self.destroyed = True

    @property
    def runs(self) -> bool:
        return self._socket is not None


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_server_that_dies_is_started_again(server: Server) -> None:
    planes = BackingServers()
    planes.watch()
    planes.start("server", server)
    server.stop()
    wait_until(lambda: server.starts == 2)
    planes.stop("server", server)


def test_a_server_that_was_stopped_stays_stopped(server: Server) -> None:
    planes = BackingServers()
    planes.watch()
    planes.start("server", server)
    planes.stop("server", server)
    time.sleep(1.2)  # longer than the watch waits between two looks
    assert not server.runs
    assert server.starts == 1


def test_a_server_can_be_destroyed_and_all_can_be_stopped(server: Server) -> None:
    planes = BackingServers()
    other = Server()
    planes.start("server", server)
    planes.start("other", other)
    planes.destroy("server", server)
    assert server.destroyed
    assert other.runs
    planes.stop_all()
    assert not other.runs
    assert not other.destroyed


def test_a_failing_start_is_reported(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server.port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            BackingServers().start("server", server)


def test_a_server_that_cannot_be_resumed_at_once_is_started_later(server: Server) -> None:
    planes = BackingServers()
    planes.watch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server.port = taken.getsockname()[1]
        planes.resume("postgres/us-east-1/app", server)
        planes.start("other", other := Server())  # there is one starter: the attempt is over
        planes.stop("other", other)
        assert not server.runs
        (problem,) = planes.problems()
        assert re.fullmatch(r"PostgreSQL \(us-east-1/app\) does not start: .*in use.*", str(problem))
    wait_until(lambda: server.runs)
    wait_until(lambda: planes.problems() == [])
    planes.stop("postgres/us-east-1/app", server)
