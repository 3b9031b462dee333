"""Child processes that are never confused with others and never outlive the sandbox."""

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.files import write_atomically

# Its one thread ends with the interpreter, so that nothing that it starts is killed early.
_starter = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="process-starter")
_STUB = Path(__file__).with_name("with_parent_death_signal.py")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessIdentity:
    """A process as the machine knows it: its id alone is reused, so its start time belongs to it.

    Attributes
    ----------
    pid
        Process id.
    started
        When the process was started, in whatever form the operating system gives it.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """Return the identity of a running process, or None when there is no such process."""
        started = _start_time(pid)
        return None if started is None else cls(pid=pid, started=started)

    @classmethod
    def current(cls) -> "ProcessIdentity":
        """Return the identity of the calling process."""
        identity = cls.of(os.getpid())
        if identity is None:
            raise RuntimeError("the operating system does not say when this process was started")
        return identity

    @classmethod
    def load(cls, path: Path) -> "ProcessIdentity | None":
        """Return what `save` wrote, or None when the file is missing, was cut short by a crash, or is a copy.

        A copy of a sandbox has copies of its files, and must leave the original's processes alone. A file
        that was moved names its process as before.
        """
        record = _read(path)
        if record is None:
            return None
        original = Path(record.get("file", path))
        if _read(original) == record and not original.samefile(path):
            return None
        return cls(pid=record["pid"], started=record["started"])

    def save(self, path: Path, **more: int) -> None:
        """Write the identity, and more about the process, to a file that `load` reads."""
        record = dataclasses.asdict(self) | {"file": str(path.resolve())} | more
        write_atomically(path, json.dumps(record))

    def is_running(self) -> bool:
        """Return whether this very process still runs."""
        return _start_time(self.pid) == self.started

    def signal(self, number: int) -> None:
        """Send a signal to the process, if it still runs."""
        if self.is_running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill_group(self) -> None:
        """Kill the process and everything in the process group that it leads, if it still runs."""
        if self.is_running():
            kill_group(self.pid)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(path.read_text())
        return record | {"pid": int(record["pid"]), "started": str(record["started"])}
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def kill_group(pid: int) -> None:
    """Kill the process group led by `pid`; no error when it is gone."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM, not ESRCH, when only zombies are left in the group.
        return


def bound_command(
    command: list[str], *, death_signal: signal.Signals = signal.SIGKILL, user: str = ""
) -> list[str]:
    """Return the command line that runs `command` for no longer than the calling process lives.

    On Linux the kernel ends the process when the *thread* that started it ends: use `start_bound` from any
    thread that may end before the process should. Elsewhere nothing ties it to its parent; what starts
    processes keeps their identities in files and kills what is left at the next start.

    Parameters
    ----------
    command
        The command.
    death_signal
        The signal with which it ends.
    user
        Whom root becomes for it.

    Raises
    ------
    ValueError
        If the command is empty.
    """
    if not command:
        raise ValueError("an empty command cannot be run")
    # A stub that becomes the command, because preexec_fn is not safe in a process that has threads.
    stub = [sys.executable, "-I", "-S", str(_STUB), str(os.getpid()), str(int(death_signal)), user]
    return [*stub, *command]


def start_bound(command: list[str], *, log: Path, variables: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start a server that runs for no longer than the calling process lives, from whatever thread.

    Parameters
    ----------
    command
        What `bound_command` returned.
    log
        Gets what it says.
    variables
        Further variables of its environment.
    """

    def start() -> "subprocess.Popen[bytes]":
        with log.open("ab") as sink:
            return subprocess.Popen(
                command,
                env=os.environ | variables,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )

    return _starter.submit(start).result()


def end(identity: ProcessIdentity, child: "subprocess.Popen[bytes] | None", *, seconds: float) -> None:
    """Wait until a process that was asked to end has ended; kill its group when it takes too long.

    Parameters
    ----------
    identity
        The process.
    child
        The same as a child of this process, if it is one, so that it leaves no zombie.
    seconds
        How long it may take.
    """
    deadline = time.monotonic() + seconds
    while identity.is_running():
        if time.monotonic() > deadline:
            identity.kill_group()
        time.sleep(0.02)
    if child is not None:
        child.wait()


def _start_time(pid: int) -> str | None:
    if sys.platform == "linux":
        return _start_time_linux(pid)
    # Every other system has it there; what cannot be asked is no process that has ended.
    answer = subprocess.run(
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def _start_time_linux(pid: int) -> str | None:
    try:
        # The name in parentheses may hold spaces and parentheses itself.
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        if not Path("/proc/self/stat").exists():
            raise RuntimeError("/proc is not mounted: the running processes cannot be listed") from None
        return None
    fields = stat.rpartition(")")[2].split()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    state, ticks_since_boot = fields[0], fields[19]  # proc(5): fields 3 and 22
    return None if state in {"Z", "X"} else f"{boot}/{ticks_since_boot}"
