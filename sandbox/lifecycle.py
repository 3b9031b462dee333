"""Starts and stops a sandbox: the API for the operator's command line and for tests."""

import contextlib
import dataclasses
import fcntl
import functools
import http.client
import json
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from sandbox import environment, relocation
from sandbox.environment import IDENTITY_PATH, PROBLEMS_PATH
from sandbox.files import write_atomically
from sandbox.layout import Layout
from sandbox.load_balancer import traefik
from sandbox.load_balancer.control import served_version
from sandbox.parts import Part
from sandbox.ports import HOST, LOAD_BALANCER_PORTS, SERVICE_PORTS, Ports, taken
from sandbox.postgres import PostgresServer
from sandbox.problems import Problem, SandboxError
from sandbox.processes import ProcessIdentity
from sandbox.tasks import kill_leftover_tasks
from sandbox.tls import ensure_authority
from sandbox.valkey import ValkeyServer

__all__ = ["Problem", "Sandbox", "SandboxError", "SandboxStatus"]

_START_SECONDS = 60.0
_ANSWER_SECONDS = 20.0  # a deployment under load may keep the emulator busy


@dataclasses.dataclass(frozen=True, kw_only=True)
class SandboxStatus:
    """What runs.

    Attributes
    ----------
    running
        Whether the control plane and the load balancer serve.
    endpoint_url
        URL of the control plane; None when it was never started.
    pids
        Ids of the running processes, by name.
    ports
        Ports that were given out, by name.
    """

    running: bool
    endpoint_url: str | None
    pids: Mapping[str, int]
    ports: Mapping[str, int]


class Sandbox:
    """The sandbox that has a state directory.

    Parameters
    ----------
    state_dir
        Holds everything; made at the first start.
    """

    def __init__(self, state_dir: Path) -> None:
        self._layout = Layout(state_dir.resolve())
        self._ports = Ports(self._layout.ports)
        self._load_balancer = load_balancer(self._layout, self._ports)
        self._server = Part("server", "The embedded AWS", self._layout)
        self._supervisor = Part("supervisor", "The supervisor", self._layout)

    def start(self) -> None:
        """Start what does not run, on the data that is there, and wait until it serves.

        Raises
        ------
        SandboxError
            When the service's address is taken or a process does not start, with the end of its log.
        """
        self._layout.root.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if dead := [part for part, serves in self._serving().items() if not serves]:
                self._start_parts(dead)
                self._wait_until_ready()
            if self._supervisor.identity() is None:
                self._supervisor.start(environment.clean_environment())
            self.bootstrap(environment.REGION)

    def revive(self) -> Collection[Part]:
        """Start what has died, without waiting until it serves; return what was started.

        Raises
        ------
        SandboxError
            When the service's address is taken.
        """
        with self._locked(wait=False) as mine:
            dead = [part for part in self._serving_parts if part.identity() is None] if mine else []
            return self._start_parts(dead) if dead else ()

    def processes(self) -> list[ProcessIdentity]:
        """Return the processes that run, from which all others descend."""
        parts = (self._supervisor, *self._serving_parts)
        return [identity for part in parts if (identity := part.identity())]

    def bootstrap(self, *regions: str | None) -> None:
        """Prepare regions for the CDK; the sandbox's own one is prepared at the start.

        Raises
        ------
        SandboxError
            When the bootstrap stack cannot be deployed.
        """
        from sandbox.bootstrap import bootstrap  # noqa: PLC0415 - boto3 takes half a second

        for region in filter(None, regions):
            try:
                bootstrap(self.environment() | {"AWS_REGION": region})
            except RuntimeError as error:
                message = f"The emulated account cannot be bootstrapped in {region}: {error}"
                raise SandboxError(message) from error

    def stop(self) -> bool:
        """End every process and return whether there was any; the data stays.

        Raises
        ------
        SandboxError
            When a process does not end.
        """
        if not self._layout.root.exists():
            return False
        with self._locked():
            # It starts nothing as long as the lock is held.
            return any([self._supervisor.end(), self._end_processes()])

    def wipe(self) -> bool:
        """End every process, return whether there was any, and remove all data.

        Raises
        ------
        SandboxError
            When a process does not end.
        """
        ended = self.stop()
        shutil.rmtree(self._layout.root, ignore_errors=True)
        return ended

    def status(self) -> SandboxStatus:
        """Return what runs."""
        ports = self._ports.known()
        parts = (*self._serving_parts, self._supervisor)
        pids = {part.name: identity.pid for part in parts if (identity := part.identity())}
        port = ports.get("aws")
        return SandboxStatus(
            running=all(self._serving().values()),
            endpoint_url=None if port is None else environment.endpoint_url(port),
            pids=pids,
            ports=ports,
        )

    def problems(self) -> list[Problem]:
        """Return what should run and does not; nothing when the sandbox is stopped."""
        if not self.status().pids:
            return []
        problems = [
            Problem.of(part.title, "does not answer" if part.identity() else "does not run", part.log)
            for part, serves in self._serving().items()
            if not serves
        ]
        if self._supervisor.identity() is None:
            state = "does not run, so that what dies is not started again"
            problems.append(Problem.of(self._supervisor.title, state, self._supervisor.log))
        answer = _ask(self._ports.known().get("aws"), PROBLEMS_PATH)
        return problems + [Problem(**each) for each in json.loads(answer or "[]")]

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which the CDK CLI and AWS SDKs reach this sandbox."""
        return environment.for_clients(self._layout, self._aws_port())

    def _aws_port(self) -> int:
        return self._ports.get("aws")

    @property
    def _serving_parts(self) -> tuple[Part, Part]:
        return self._load_balancer, self._server

    def _serving(self) -> dict[Part, bool]:
        """Return which parts serve this sandbox: another one's may have its port by now."""
        balancer, server = (part.identity() is not None for part in self._serving_parts)
        server = server and _ask(self._ports.known().get("aws"), IDENTITY_PATH) == str(self._layout.root)
        return {
            self._load_balancer: balancer and served_version(self._layout) is not None,
            self._server: server,
        }

    def _start_parts(self, parts: Collection[Part]) -> Collection[Part]:
        # The load balancer serves on while the control plane is away, and the other way round.
        for part in parts:
            part.end()
        if self._server in parts:
            self._end_leftovers()
            shutil.rmtree(self._layout.temporary, ignore_errors=True)
        for folder in (self._layout.temporary, self._layout.run, self._layout.logs, self._layout.home):
            folder.mkdir(parents=True, exist_ok=True)
        parts = self._relocate_if_needed(parts)
        environment.write_profile(self._layout)
        if self._server in parts:  # which gives them out
            self._ports.keep_spare()
        if self._load_balancer in parts:
            self._load_balancer.start(environment.clean_environment())
        if self._server in parts:
            authority = ensure_authority(self._layout.tls)
            self._server.start(environment.for_control_plane(self._layout, self._aws_port(), authority))
        return parts

    def _relocate_if_needed(self, parts: Collection[Part]) -> Collection[Part]:
        """Return what is to be started: all, when the kept state has to name another folder or port."""
        lost = self._lost_ports(parts)
        moved = relocation.previous_root(self._layout) is not None or self._layout.relocation.exists()
        if lost or moved:
            self._end_processes()
            relocation.relocate(self._layout, self._ports, lost)
            return self._serving_parts
        write_atomically(self._layout.location, str(self._layout.root))
        return parts

    def _lost_ports(self, parts: Collection[Part]) -> list[str]:
        known = self._ports.known()
        if relocation.is_copy(self._layout):
            return list(known)  # they are the original's, whether it runs now or not
        used = {
            name: port
            for name, port in known.items()
            if (self._load_balancer if name.startswith(LOAD_BALANCER_PORTS) else self._server) in parts
        }
        others = taken(used.values())
        lost = [name for name, port in used.items() if port in others]
        for name in lost:
            if name.startswith(SERVICE_PORTS):
                raise SandboxError(
                    f"Port {known[name]}, the service's address, is in use by another program: end that one "
                    "and run again, or begin without data on another port after `./gantry down --wipe`."
                )
        return lost

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while waited_for := [part for part, serves in self._serving().items() if not serves]:
            ended = [part for part in waited_for if part.identity() is None]
            if ended or time.monotonic() > deadline:
                part = (ended or waited_for)[0]
                state = "ended at its start" if ended else f"does not serve after {_START_SECONDS:.0f} s"
                problem = Problem.of(part.title, state, part.log)
                self._end_processes()
                raise SandboxError(str(problem), detail="\n".join(problem.lines))
            time.sleep(0.05)

    def _end_processes(self) -> bool:
        # The load balancer goes last: it still serves the requests that the tasks are answering.
        return any([self._server.end(), self._end_leftovers(), self._load_balancer.end()])

    def _end_leftovers(self) -> bool:
        # What a control plane that was killed left behind, where nothing ties its children to it.
        ended = [kill_leftover_tasks(self._layout.run / "tasks")]
        for folder in _folders(self._layout.databases):
            authority = ensure_authority(self._layout.tls)
            log = self._layout.logs / "leftover.log"
            ended.append(PostgresServer(data_dir=folder, port=0, authority=authority, log=log).stop())
        for folder in _folders(self._layout.caches):
            log = self._layout.logs / "leftover.log"
            ended.append(ValkeyServer(data_dir=folder, port=0, log=log).stop())
        return any(ended)

    @contextlib.contextmanager
    def _locked(self, *, wait: bool = True) -> Iterator[bool]:
        """Hold the lock, without which no process is started or ended; give whether it is held."""
        with (self._layout.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
            else:
                yield True


def load_balancer(layout: Layout, ports: Ports) -> Part:
    """Return the load balancer of a sandbox."""
    command = functools.partial(traefik.command, layout, ports)
    return Part("load_balancer", "The local load balancer", layout, command=command)


def _ask(port: int | None, path: str) -> str | None:
    """Return what the control plane on a port answers, or None."""
    if port is None:
        return None
    connection = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read().decode() if response.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir()] if parent.exists() else []
