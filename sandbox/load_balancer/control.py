"""The control plane's orders to the load balancer."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sandbox.load_balancer.config import (
    Listener,
    LoadBalancerConfig,
    Target,
    TlsProxy,
    admin_file,
    config_file,
)
from sandbox.ports import HOST
from sandbox.processes import ProcessIdentity

_ANSWER_TIMEOUT = 10.0  # seconds


class LoadBalancerError(Exception):
    """The load balancer does not serve what was asked of it; the message says what and why."""


class LoadBalancerControl:
    """The one writer of the load balancer's configuration.

    Every change is written first and then acknowledged by the load balancer, which obeys it when the method
    returns. A load balancer that does not run reads the configuration when it starts. All methods may
    be called from any thread.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir.resolve()
        self._lock = threading.Lock()
        self._config = LoadBalancerConfig.load(config_file(self._state_dir))

    def put_listener(self, listener: Listener) -> None:
        """Serve a listener, or change it.

        Raises
        ------
        LoadBalancerError
            When its port is taken.
        """
        with self._change() as config:
            config.listeners[listener.port] = listener
        self._check(listener.port, undo=self.remove_listener)

    def remove_listener(self, port: int) -> None:
        """Stop listening on a port."""
        with self._change() as config:
            config.listeners.pop(port, None)

    def put_tls_proxy(self, proxy: TlsProxy) -> None:
        """End TLS on a port, or change how.

        Raises
        ------
        LoadBalancerError
            When its port is taken or its certificate cannot be used.
        """
        with self._change() as config:
            config.tls_proxies[proxy.port] = proxy
        self._check(proxy.port, undo=self.remove_tls_proxy)

    def remove_tls_proxy(self, port: int) -> None:
        """Stop ending TLS on a port."""
        with self._change() as config:
            config.tls_proxies.pop(port, None)

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
        """Return how many requests a target is answering; none when the load balancer does not run."""
        status = self._order("status")
        return int(status["in_flight"].get(address, 0)) if status else 0

    def is_running(self) -> bool:
        """Return whether this sandbox's load balancer runs and takes orders."""
        try:
            status = self._order("status")
        except LoadBalancerError:
            return False
        # One that was started before the sandbox was moved looks for its configuration in the old place.
        return status is not None and status.get("state_dir") == str(self._state_dir)

    @contextlib.contextmanager
    def _change(self) -> Iterator[LoadBalancerConfig]:
        with self._lock:
            yield self._config
            self._config.version += 1
            self._config.save(config_file(self._state_dir))
            self._order("apply")

    def _check(self, port: int, *, undo: Callable[[int], None]) -> None:
        status = self._order("status")
        if status and str(port) in status["errors"]:
            undo(port)
            raise LoadBalancerError(status["errors"][str(port)])

    def _order(self, order: str) -> dict[str, Any] | None:
        """Return the load balancer's answer, or None when it does not run."""
        file = admin_file(self._state_dir)
        process = ProcessIdentity.load(file)
        if process is None or not process.is_running():  # its port may belong to another program now
            return None
        try:
            port = json.loads(file.read_text())["port"]
            with socket.create_connection((HOST, port), timeout=_ANSWER_TIMEOUT) as connection:
                connection.sendall(order.encode() + b"\n")
                status: dict[str, Any] = json.loads(connection.makefile().readline())
        except TimeoutError:
            raise LoadBalancerError(
                f"the load balancer (process {process.pid}) does not take orders"
            ) from None
        except (OSError, ValueError):
            return None  # it has ended just now
        return status
