"""A real server behind an emulated database or cache: how it starts, and how it ends."""

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from sandbox.problems import last_lines, size
from sandbox.processes import ProcessIdentity, bound_command, end, start_bound


class DataServerError(Exception):
    """The server cannot be made, started or changed; the message says why."""


@dataclass(kw_only=True)
class DataServer(ABC):
    """One server with its own data directory; nothing runs until `start`.

    Attributes
    ----------
    data_dir
        Its data; removed by `destroy`.
    port
        Where it listens on the loopback interface.
    log
        What the server says.
    """

    name: ClassVar[str]
    end_signal: ClassVar[signal.Signals]
    """Asks it to end in an orderly way, at once."""
    start_seconds: ClassVar[float]
    stop_seconds: ClassVar[float]
    error: ClassVar[type[DataServerError]]

    data_dir: Path
    port: int
    log: Path
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    def start(self) -> None:
        """Start the server, making its data directory first when there is none; no effect when it runs.

        Raises
        ------
        DataServerError
            When it does not accept connections in time, with the end of its log.
        """
        if self.is_ready():
            return
        log_start = size(self.log)
        process = self._process
        if process is None or not self._runs():
            self.stop()  # what is left of one that was killed, or of a control plane that is gone
            process = self._process = self._launch()
        deadline = time.monotonic() + self.start_seconds
        while not self.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                said = "\n".join(last_lines(self.log, since=log_start))
                raise self.error(f"{self.name} on port {self.port} did not start:\n{said}")
            time.sleep(0.02)
        self._complete()

    def stop(self) -> bool:
        """Stop the server in order, breaking off its connections; return whether it ran."""
        identity = ProcessIdentity.load(self._identity_file)
        ran = identity is not None and identity.is_running()
        if identity is not None:
            identity.signal(self.end_signal)
            # One that was killed may be dying still. To PostgreSQL a zombie is a server on the same data.
            end(identity, self._process, seconds=self.stop_seconds)
        self._process = None
        return ran

    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether the server accepts connections."""

    @abstractmethod
    def _launch(self) -> "subprocess.Popen[bytes]":
        """Prepare the data directory and start the process."""

    def _complete(self) -> None:  # noqa: B027 - most servers lack nothing
        """Add what the server lacks once it runs."""

    @property
    @abstractmethod
    def _identity_file(self) -> Path: ...

    def _runs(self) -> bool:
        identity = ProcessIdentity.load(self._identity_file)
        return identity is not None and identity.is_running()

    def _run(
        self, command: list[str], *, user: str = "", variables: dict[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start a command for as long as the calling process lives, and remember its process."""
        process = start_bound(
            bound_command(command, death_signal=self.end_signal, user=user),
            log=self.log,
            variables=variables or {},
        )
        identity = ProcessIdentity.of(process.pid)
        if identity is not None:
            identity.save(self._identity_file)
        return process
