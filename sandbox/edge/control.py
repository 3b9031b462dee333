"""How the control plane tells the edge what to serve."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sandbox.edge.config import EdgeConfig, Listener, Target, Terminator, admin_file, config_file
from sandbox.ports import HOST
from sandbox.processes import ProcessIdentity

_ANSWER_TIMEOUT = 10.0  # seconds


class EdgeError(Exception):
    """The edge does not serve what it was told to; the message says what and why."""


class EdgeControl:
    """The one writer of the edge's configuration.

    Every change is written first and then acknowledged by the edge: when a method returns, the edge obeys. An
    edge that does not run reads the configuration when it starts. All methods may be called from any thread.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir.resolve()
        self._lock = threading.Lock()
        self._config = EdgeConfig.load(config_file(self._state_dir))

    def put_listener(self, listener: Listener) -> None:
        """Serve a listener, or change it.

        Raises
        ------
        EdgeError
            When its port is taken.
        """
        with self._change() as config:
            config.listeners[listener.port] = listener
        self._check(listener.port, undo=self.remove_listener)

    def remove_listener(self, port: int) -> None:
        """Stop listening on a port."""
        with self._change() as config:
            config.listeners.pop(port, None)

    def put_terminator(self, terminator: Terminator) -> None:
        """End TLS on a port, or change how.

        Raises
        ------
        EdgeError
            When its port is taken or its certificate cannot be used.
        """
        with self._change() as config:
            config.terminators[terminator.port] = terminator
        self._check(terminator.port, undo=self.remove_terminator)

    def remove_terminator(self, port: int) -> None:
        """Stop ending TLS on a port."""
        with self._change() as config:
            config.terminators.pop(port, None)

    def put_target(self, target_group: str, target: Target) -> None:
        """Register a target, or change its state: a draining one gets no request from the return on."""
        with self._change() as config:
            config.target_groups.setdefault(target_group, {})[target.address] = target

    def remove_target(self, target_group: str, address: str) -> None:
        """Forget a target; requests that it is answering go on."""
        with self._change() as config:
            config.target_groups.get(target_group, {}).pop(address, None)

    def remove_target_group(self, target_group: str) -> None:
        """Forget a target group and its targets."""
        with self._change() as config:
            config.target_groups.pop(target_group, None)

    def targets(self, target_group: str) -> list[Target]:
        """Return the targets of a group."""
        with self._lock:
            return list(self._config.target_groups.get(target_group, {}).values())

    def in_flight(self, address: str) -> int:
        """Return how many requests a target is answering; none when the edge does not run."""
        status = self._order("status")
        return int(status["in_flight"].get(address, 0)) if status else 0

    def is_running(self) -> bool:
        """Tell whether this sandbox's edge runs and takes orders."""
        try:
            status = self._order("status")
        except EdgeError:
            return False
        # One that was started before the sandbox was moved looks for its configuration in the old place.
        return status is not None and status.get("state_dir") == str(self._state_dir)

    @contextlib.contextmanager
    def _change(self) -> Iterator[EdgeConfig]:
        with self._lock:
            yield self._config
            self._config.version += 1
            self._config.save(config_file(self._state_dir))
            self._order("apply")

    def _check(self, port: int, *, undo: Callable[[int], None]) -> None:
        status = self._order("status")
        if status and str(port) in status["errors"]:
            undo(port)
            raise EdgeError(status["errors"][str(port)])

    def _order(self, order: str) -> dict[str, Any] | None:
        """Return the edge's answer, or None when it does not run."""
        file = admin_file(self._state_dir)
        edge = ProcessIdentity.load(file)
        if edge is None or not edge.is_running():  # its port may belong to anybody now
            return None
        try:
            port = json.loads(file.read_text())["port"]
            with socket.create_connection((HOST, port), timeout=_ANSWER_TIMEOUT) as connection:
                connection.sendall(order.encode() + b"\n")
                status: dict[str, Any] = json.loads(connection.makefile().readline())
        except TimeoutError:
            raise EdgeError(f"the edge (process {edge.pid}) does not take orders") from None
        except (OSError, ValueError):
            return None  # it has ended just now
        return status
