"""Whose turn it is to change the sandbox: commands that would disturb each other wait, and say for whom."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from ops.console import err
from ops.paths import SANDBOX_DIR


@contextmanager
def alone(command: str, *, state_dir: Path = SANDBOX_DIR) -> Iterator[None]:
    """Keep every other command from changing the sandbox, as long as this one runs.

    Parameters
    ----------
    command
        The command, for those that wait: ``./gantry up``.
    state_dir
        The sandbox's state directory.
    """
    with held(state_dir / "turn.lock", fcntl.LOCK_EX, command):
        yield


@contextmanager
def deploying(environment: str, *, alone: bool = True, state_dir: Path = SANDBOX_DIR) -> Iterator[None]:
    """Keep others from deploying an environment to the sandbox; other environments may be deployed meanwhile.

    Parameters
    ----------
    environment
        The environment.
    alone
        Whether other deployments of it wait.
    state_dir
        The sandbox's state directory.
    """
    command = f"./gantry cdk ({environment})"
    with ExitStack() as stack:
        stack.enter_context(held(state_dir / "turn.lock", fcntl.LOCK_SH, command))
        if alone:
            stack.enter_context(held(state_dir / f"turn.{environment}.lock", fcntl.LOCK_EX, command))
        yield


@contextmanager
def held(file: Path, how: int, command: str) -> Iterator[None]:
    """Hold the lock of a file; a command that waits for it says for whom.

    Parameters
    ----------
    file
        The file, which is made where there is none.
    how
        ``fcntl.LOCK_EX`` or ``fcntl.LOCK_SH``.
    command
        The command that holds it.
    """
    with _locked(file, how) as lock:
        lock.seek(0)
        lock.truncate()
        json.dump({"command": command, "pid": os.getpid(), "since": time.time()}, lock)
        lock.flush()
        yield


def _locked(file: Path, how: int) -> TextIO:
    """Return the locked file; the system unlocks it when its process ends, however it ends."""
    said = False
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = file.open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if not said:
                err.print(f"Waiting for {_holder(lock)}; Ctrl-C gives up.", markup=False)
                said = True
            fcntl.flock(lock, how)
        # `down --wipe` removes the file while others wait for it.
        if file.exists() and os.path.samestat(os.fstat(lock.fileno()), file.stat()):
            return lock
        lock.close()


def _holder(lock: TextIO) -> str:
    try:
        lock.seek(0)
        record = json.load(lock)
        since = datetime.fromtimestamp(record["since"]).astimezone()
        return f"`{record['command']}` (process {record['pid']}, since {since:%H:%M:%S})"
    except (ValueError, KeyError, TypeError):  # it is only just writing
        return "another command"
