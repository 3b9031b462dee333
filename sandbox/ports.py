"""Ports on the loopback interface: free ones, and those of a sandbox, which are kept once they are chosen."""

import json
import random
import socket
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from sandbox.files import write_atomically

HOST = "127.0.0.1"
# Ports whose names begin so are the load balancer's, all others the control plane's and its children's.
LOAD_BALANCER_PORTS = "load-balancer/"
# Among them those of load balancers: addresses that people know.
SERVICE_PORTS = "load-balancer/loadbalancer/"
# Among them those of no load balancer yet: it listens on them, since it can begin to on none while it runs.
_SPARE_PORTS = "load-balancer/spare/"
_SPARE = 16
# Below the range from which systems take ports for outgoing connections (32768 on Linux, 49152 elsewhere): a
# port that is kept for months would otherwise be in use by some connection now and then.
_RANGE = range(20000, 32000)
_RELEASE_SECONDS = 3.0


_NONE_SPARE = (
    f"the sandbox has no port left for a load balancer or cache: it can add {_SPARE} while it runs, "
    "and more after `./gantry down` and `./gantry up`"
)


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that are only being closed do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def first_free(candidates: Iterable[int], *, taken: Collection[int]) -> int | None:
    """Return the first candidate that is not taken and that a server could listen on; None without any."""
    return next((port for port in candidates if port not in taken and is_free(port)), None)


def any_free() -> int:
    """Return a port that a server could listen on: for one that no one needs to find again."""
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def taken(ports: Collection[int]) -> set[int]:
    """Return those ports that a server could not listen on soon: one that is ending may still have some."""
    deadline = time.monotonic() + _RELEASE_SECONDS
    while still := {port for port in ports if not is_free(port)}:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return still


class Ports:
    """The ports of one sandbox, by name, in one file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def known(self) -> dict[str, int]:
        """Return all ports that were given out."""
        try:
            ports: dict[str, int] = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        return ports

    def get(self, name: str) -> int:
        """Return the port of that name, always the same one; a free or spare one when the name is new.

        Parameters
        ----------
        name
            What listens there, such as ``aws`` or ``postgres/app``.

        Raises
        ------
        RuntimeError
            When no port is free, or none of the load balancer's is spare.
        """
        with self._lock:
            ports = self.known()
            if name not in ports:
                spare = _spare(ports) if name.startswith(LOAD_BALANCER_PORTS) else []
                if name.startswith(LOAD_BALANCER_PORTS) and not spare:
                    raise RuntimeError(_NONE_SPARE)
                ports[name] = ports.pop(spare[0]) if spare else self._choose(taken=set(ports.values()))
                write_atomically(self._file, json.dumps(ports, indent=2))
            return ports[name]

    def keep_spare(self) -> None:
        """Give the load balancer, which does not run, spare ports.

        Raises
        ------
        RuntimeError
            When no port is free.
        """
        with self._lock:
            ports = self.known()
            for name in (f"{_SPARE_PORTS}{number}" for number in range(_SPARE)):
                if name not in ports:
                    ports[name] = self._choose(taken=set(ports.values()))
            write_atomically(self._file, json.dumps(ports, indent=2))

    def others(self, names: Collection[str]) -> dict[str, int]:
        """Return free ports that could be given out instead of those of some names.

        Raises
        ------
        RuntimeError
            When no port is free.
        """
        taken = set(self.known().values())
        chosen: dict[str, int] = {}
        for name in names:
            chosen[name] = self._choose(taken=taken | set(chosen.values()))
        return chosen

    def assign(self, ports: Mapping[str, int]) -> None:
        """Give out these ports from now on."""
        with self._lock:
            write_atomically(self._file, json.dumps(self.known() | dict(ports), indent=2))

    def release(self, name: str) -> None:
        """Forget a port; one of the load balancer is spare again."""
        with self._lock:
            ports = self.known()
            port = ports.pop(name, None)
            if port is None:
                return
            if name.startswith(LOAD_BALANCER_PORTS):
                ports[f"{_SPARE_PORTS}{port}"] = port
            write_atomically(self._file, json.dumps(ports, indent=2))

    def _choose(self, *, taken: set[int]) -> int:
        # Each sandbox looks in another order: two that start at the same moment do not meet, and neither do
        # one that is stopped and one that is made meanwhile, as they would on well-known ports.
        order = list(_RANGE)
        random.Random(str(self._file.resolve())).shuffle(order)  # noqa: S311 - not a secret
        port = first_free(order, taken=taken)
        if port is None:
            raise RuntimeError(f"no free port between {_RANGE.start} and {_RANGE.stop}")
        return port


def _spare(ports: Mapping[str, int]) -> list[str]:
    return [name for name in ports if name.startswith(_SPARE_PORTS)]
