"""The processes that make up a sandbox: each is known by its identity, in a file, to every later command."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.layout import Layout
from sandbox.problems import SandboxError
from sandbox.processes import ProcessIdentity, kill_group

_ROOT = Path(__file__).resolve().parent.parent
_STOP_SECONDS = 30.0


class Part:
    """One of the processes.

    Parameters
    ----------
    name
        Its name in files; its module is ``sandbox.<name>``, unless it has a command.
    title
        Its name for a person.
    layout
        The sandbox's files.
    command
        Makes it ready to start, and returns its command line.
    """

    def __init__(
        self, name: str, title: str, layout: Layout, *, command: Callable[[], list[str]] | None = None
    ) -> None:
        self.name = name
        self.title = title
        self.log = layout.logs / f"{name}.log"
        module = [sys.executable, "-m", f"sandbox.{name}", "--state-dir", str(layout.root)]
        self._command = command or (lambda: module)
        self._identity_file = layout.run / f"{name}.json"
        self._reaper: threading.Thread | None = None

    def identity(self) -> ProcessIdentity | None:
        """Return the process, if it runs."""
        identity = ProcessIdentity.load(self._identity_file)
        return identity if identity is not None and identity.is_running() else None

    def start(self, variables: Mapping[str, str]) -> None:
        """Start it with these variables alone."""
        command = self._command()
        with self.log.open("ab") as sink:
            process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        identity = ProcessIdentity.of(process.pid)
        if identity is not None:
            identity.save(self._identity_file)
        # Whenever it ends, no matter what ends it.
        self._reaper = threading.Thread(target=process.wait, name=f"{self.name}-reaper", daemon=True)
        self._reaper.start()

    def end(self) -> bool:
        """End it and what it started; return whether it ran.

        Raises
        ------
        SandboxError
            When it does not end.
        """
        identity = ProcessIdentity.load(self._identity_file)
        if identity is None:
            return False
        ran = identity.is_running()
        if ran:
            os.kill(identity.pid, signal.SIGTERM)
            if not _ends(identity, _STOP_SECONDS):
                identity.kill_group()
            if not _ends(identity, _STOP_SECONDS):
                raise SandboxError(f"{self.title} (process {identity.pid}) cannot be ended.")
        # Lambda functions belong to its group and may be in the middle of something. As long as no one has
        # its id, no one else's group has it either.
        if ProcessIdentity.of(identity.pid) is None:
            kill_group(identity.pid)
        self._identity_file.unlink(missing_ok=True)
        if self._reaper is not None:
            self._reaper.join(_STOP_SECONDS)  # its last threads may end after it
        return ran


def _ends(identity: ProcessIdentity, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while identity.is_running():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
