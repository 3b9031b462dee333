"""A load balancer without the rest of a sandbox."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.environment import clean_environment
from sandbox.layout import Layout
from sandbox.lifecycle import load_balancer
from sandbox.load_balancer.config import TlsProxy
from sandbox.load_balancer.control import LoadBalancerControl, served_version
from sandbox.ports import LOAD_BALANCER_PORTS, Ports
from sandbox.problems import Problem, SandboxError
from sandbox.tls import ensure_authority

_START_SECONDS = 30.0


@contextmanager
def running(folder: Path) -> Iterator[tuple[LoadBalancerControl, Ports]]:
    """Run one that keeps its files, and its ports, in a folder."""
    layout = Layout(folder.resolve())
    for each in (layout.run, layout.logs):
        each.mkdir(parents=True, exist_ok=True)
    ports = Ports(layout.ports)
    ports.keep_spare()
    ensure_authority(layout.tls)
    part = load_balancer(layout, ports)
    part.start(clean_environment())
    try:
        control = LoadBalancerControl(layout.root)
        deadline = time.monotonic() + _START_SECONDS
        while served_version(layout) is None:
            if part.identity() is None or time.monotonic() > deadline:
                raise SandboxError(str(Problem.of(part.title, "does not start", part.log)))
            time.sleep(0.02)
        yield control, ports
    finally:
        part.end()


@contextmanager
def tls_in_front_of(port: int, folder: Path) -> Iterator[int]:
    """Speak TLS in front of a port, on the one returned; its authority is in the folder's `tls`."""
    with running(folder) as (control, ports):
        listen_on = ports.get(f"{LOAD_BALANCER_PORTS}tls")
        control.put_tls_proxy(TlsProxy(port=listen_on, upstream_port=port))
        yield listen_on
