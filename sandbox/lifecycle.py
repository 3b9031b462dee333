"""Starts and stops a sandbox: the API for the operator's command line and for tests."""

import contextlib
import dataclasses
import fcntl
import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sandbox import environment
from sandbox.bootstrap import bootstrap
from sandbox.edge.control import EdgeControl
from sandbox.environment import IDENTITY_PATH
from sandbox.layout import Layout
from sandbox.ports import EDGE_PORTS, HOST, Ports, is_free
from sandbox.postgres import PostgresServer
from sandbox.processes import ProcessIdentity, kill_group
from sandbox.tasks import kill_leftover_tasks
from sandbox.tls import ensure_authority
from sandbox.valkey import ValkeyServer

_ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_RELEASE_SECONDS = 3.0
_LOG_LINES = 25


class SandboxError(Exception):
    """The sandbox cannot be started or stopped; the message says why and what to do."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SandboxStatus:
    """What runs.

    Attributes
    ----------
    running
        Whether the control plane and the edge serve.
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
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start what does not run, on the data that is there, and wait until it serves.

        Raises
        ------
        SandboxError
            When a port is taken or a process does not start, with the end of its log.
        """
        with self._locked():
            if not self.status().running:
                self._start_processes()
            self.bootstrap(environment.REGION)

    def bootstrap(self, *regions: str | None) -> None:
        """Prepare regions for the CDK; the sandbox's own one is prepared at the start.

        Raises
        ------
        SandboxError
            When the bootstrap stack cannot be deployed.
        """
        for region in filter(None, regions):
            try:
                bootstrap(self.environment() | {"AWS_REGION": region})
            except RuntimeError as error:
                message = f"The emulated account cannot be bootstrapped in {region}: {error}"
                raise SandboxError(message) from error

    def stop(self) -> None:
        """End every process; the data stays.

        Raises
        ------
        SandboxError
            When a process does not end.
        """
        if self._layout.root.exists():
            with self._locked():
                self._end_processes()

    def wipe(self) -> None:
        """End every process and remove all data.

        Raises
        ------
        SandboxError
            When a process does not end.
        """
        self.stop()
        shutil.rmtree(self._layout.root, ignore_errors=True)

    def status(self) -> SandboxStatus:
        """Return what runs."""
        ports = self._ports.known()
        pids = {name: identity.pid for name in ("server", "edge") if (identity := self._running(name))}
        port = ports.get("aws")
        return SandboxStatus(
            running=self._server_serves() and self._edge_serves(),
            endpoint_url=None if port is None else environment.endpoint_url(port),
            pids=pids,
            ports=ports,
        )

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which the CDK CLI and AWS SDKs reach this sandbox."""
        return environment.for_clients(self._layout, self._aws_port())

    def _aws_port(self) -> int:
        return self._ports.get("aws")

    def _start_processes(self) -> None:
        # The edge serves on while the control plane is away, and the other way round.
        if not self._edge_serves():
            self._end_process("edge")
            self._prepare(lambda name: name.startswith(EDGE_PORTS))
            self._start_process("edge", environment.clean_environment())
        if not self._server_serves():
            self._end_process("server")
            self._end_leftovers()
            shutil.rmtree(self._layout.temporary, ignore_errors=True)
            self._aws_port()
            self._prepare(lambda name: not name.startswith(EDGE_PORTS))
            self._start_process("server", self._server_environment())
        self._wait_until_ready()

    def _prepare(self, uses: Callable[[str], bool]) -> None:
        for folder in (self._layout.temporary, self._layout.run, self._layout.logs):
            folder.mkdir(parents=True, exist_ok=True)
        environment.write_profile(self._layout)
        for name, port in self._ports.known().items():
            if uses(name):
                _wait_until_free(name, port)

    def _server_environment(self) -> dict[str, str]:
        authority = ensure_authority(self._layout.tls)
        return environment.for_control_plane(self._layout, self._aws_port(), authority)

    def _start_process(self, name: str, variables: dict[str, str]) -> None:
        command = [sys.executable, "-m", f"sandbox.{name}", "--state-dir", str(self._layout.root)]
        with self._log(name).open("ab") as sink:
            process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[process.pid] = process
        identity = ProcessIdentity.of(process.pid)
        if identity is not None:
            identity.save(self._identity_file(name))

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self.status().running:
            stopped = next((name for name in ("server", "edge") if self._running(name) is None), None)
            if stopped or time.monotonic() > deadline:
                name = stopped or "server"
                problem = "ended at its start" if stopped else f"does not serve after {_START_SECONDS:.0f} s"
                end = "\n".join(self._log(name).read_text(errors="replace").splitlines()[-_LOG_LINES:])
                self._end_processes()
                raise SandboxError(f"The sandbox's {name} {problem}. The end of {self._log(name)}:\n{end}")
            time.sleep(0.05)

    def _server_serves(self) -> bool:
        port = self._ports.known().get("aws")
        return self._running("server") is not None and port is not None and _serves(port, self._layout)

    def _edge_serves(self) -> bool:
        return self._running("edge") is not None and EdgeControl(self._layout.root).is_running()

    def _end_processes(self) -> None:
        # The edge goes last: it still serves the requests that the tasks are answering.
        self._end_process("server")
        self._end_leftovers()
        self._end_process("edge")

    def _end_leftovers(self) -> None:
        # What a control plane that was killed left behind, where nothing ties its children to it.
        kill_leftover_tasks(self._layout.run / "tasks")
        for folder in _folders(self._layout.databases):
            authority = ensure_authority(self._layout.tls)
            log = self._log("leftover")
            PostgresServer(data_dir=folder, port=0, authority=authority, log=log).stop()
        for folder in _folders(self._layout.caches):
            ValkeyServer(data_dir=folder, port=0, log=self._log("leftover")).stop()

    def _end_process(self, name: str) -> None:
        identity = ProcessIdentity.load(self._identity_file(name))
        if identity is None:
            return
        if identity.is_running():
            os.kill(identity.pid, signal.SIGTERM)
            if not _ends(identity, _STOP_SECONDS):
                identity.kill_group()
            if not _ends(identity, _STOP_SECONDS):
                raise SandboxError(f"The sandbox's {name} (process {identity.pid}) cannot be ended.")
        # Lambda functions belong to its group and may be in the middle of something. As long as nobody has
        # its id, nobody else's group has it either.
        if ProcessIdentity.of(identity.pid) is None:
            kill_group(identity.pid)
        self._identity_file(name).unlink(missing_ok=True)
        if child := self._children.pop(identity.pid, None):
            child.wait()  # its last threads may end after it

    def _running(self, name: str) -> ProcessIdentity | None:
        identity = ProcessIdentity.load(self._identity_file(name))
        return identity if identity is not None and identity.is_running() else None

    def _identity_file(self, name: str) -> Path:
        return self._layout.run / f"{name}.json"

    def _log(self, name: str) -> Path:
        return self._layout.logs / f"{name}.log"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # Two commands at once must not start two control planes.
        self._layout.root.mkdir(parents=True, exist_ok=True)
        with (self._layout.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _serves(port: int, layout: Layout) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", IDENTITY_PATH)
        # The port may be another sandbox's by now.
        return connection.getresponse().read().decode() == str(layout.root)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait_until_free(name: str, port: int) -> None:
    deadline = time.monotonic() + _RELEASE_SECONDS
    while not is_free(port):
        if time.monotonic() > deadline:
            raise SandboxError(
                f"Port {port}, which the sandbox uses for {name}, is in use by another program. End that "
                "program, or give the sandbox new ports by removing its data: `./gantry down --wipe`."
            )
        time.sleep(0.05)


def _ends(identity: ProcessIdentity, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while identity.is_running():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir()] if parent.exists() else []
