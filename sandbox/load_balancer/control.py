"""The control plane's side of the load balancer: the one writer of what it serves."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from sandbox.files import write_atomically
from sandbox.layout import Layout
from sandbox.load_balancer import traefik
from sandbox.load_balancer.config import Listener, LoadBalancerConfig, Target, TlsProxy
from sandbox.ports import HOST, Ports
from sandbox.processes import ProcessIdentity
from sandbox.tls import authority_in

_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.005


class LoadBalancerError(Exception):
    """The load balancer does not obey a change; the message says so."""


def served_version(layout: Layout) -> int | None:
    """Return which version of this sandbox's configuration its load balancer obeys; None when none does."""
    port = Ports(layout.ports).known().get(traefik.STATUS)
    if port is None:
        return None
    connection = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/")
        headers = connection.getresponse().headers
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    # One that was started before the sandbox was moved serves what is in the old place.
    return (
        int(headers[traefik.VERSION_HEADER]) if headers[traefik.FOLDER_HEADER] == str(layout.root) else None
    )


class LoadBalancerControl:
    """The one writer of the load balancer's configuration.

    Every change is obeyed when the method returns. A load balancer that does not run reads the configuration
    when it starts. All methods may be called from any thread.
    """

    def __init__(self, state_dir: Path) -> None:
        self._layout = Layout(state_dir.resolve())
        self._lock = threading.Lock()
        self._config = LoadBalancerConfig.load(self._file)
        self._status_port = Ports(self._layout.ports).get(traefik.STATUS)
        with self._change():
            pass  # the certificate may be a new one, and is read again with each version

    def put_listener(self, listener: Listener) -> None:
        """Serve a listener, or change it."""
        with self._change() as config:
            config.listeners[listener.port] = listener

    def remove_listener(self, port: int) -> None:
        """Answer no more requests on a port."""
        with self._change() as config:
            config.listeners.pop(port, None)

    def put_tls_proxy(self, proxy: TlsProxy) -> None:
        """End TLS on a port, or change how."""
        with self._change() as config:
            config.tls_proxies[proxy.port] = proxy

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

    def move(self, weights: Mapping[str, int]) -> None:
        """Give target groups weights, whatever the listeners that forward to them say."""
        with self._change() as config:
            config.weights |= weights

    def remove_target_group(self, target_group: str) -> None:
        """Forget a target group, its targets and its weight."""
        with self._change() as config:
            config.target_groups.pop(target_group, None)
            config.weights.pop(target_group, None)

    def targets(self, target_group: str) -> list[Target]:
        """Return the targets of a group."""
        with self._lock:
            return list(self._config.target_groups.get(target_group, {}).values())

    def connections(self, target: Target) -> int:
        """Return how many connections the load balancer has to a target, in use or idle for a moment."""
        process = ProcessIdentity.load(self._layout.run / "load_balancer.json")
        if process is None or not process.is_running():
            return 0
        try:
            found = psutil.Process(process.pid).net_connections("tcp")
        except psutil.Error:
            return 0  # it has ended just now
        return sum(
            each.status == psutil.CONN_ESTABLISHED and tuple(each.raddr) == (target.host, target.port)
            for each in found
        )

    @property
    def _file(self) -> Path:
        return self._layout.root / "load_balancer.json"

    @contextlib.contextmanager
    def _change(self) -> Iterator[LoadBalancerConfig]:
        with self._lock:
            yield self._config
            self._config.version += 1
            self._config.save(self._file)
            self._write()
            self._wait_until_obeyed()

    def _write(self) -> None:
        document = traefik.dynamic(
            self._config,
            folder=self._layout.root,
            status_port=self._status_port,
            authority=authority_in(self._layout.tls),
        )
        write_atomically(traefik.dynamic_file(self._layout), json.dumps(document, indent=1))

    def _wait_until_obeyed(self) -> None:
        deadline = time.monotonic() + _ANSWER_SECONDS
        while (version := served_version(self._layout)) is not None and version < self._config.version:
            if time.monotonic() > deadline:
                raise LoadBalancerError(
                    f"the load balancer still obeys version {version} of its configuration"
                )
            time.sleep(_POLL_SECONDS)
