"""Makes service/.venv, in which the sandbox runs the service's tasks."""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from ops import turns
from ops.console import CliError, tail
from ops.paths import LOG_DIR, SERVICE_DIR

_LOCK = LOG_DIR.parent / "service-setup.lock"


def ensure(folder: Path = SERVICE_DIR) -> bool:
    """Install the service's locked requirements when they changed; return whether anything was done.

    A service without `requirements.txt` (another language, say) needs no environment here.

    Raises
    ------
    CliError
        When the installation fails.
    """
    requirements = folder / "requirements.txt"
    if not requirements.exists():
        return False
    # Two sandboxes may be started at once, with a folder each for their data, but not for this.
    with turns.held(_LOCK, fcntl.LOCK_EX, "the set-up of the service's packages"):
        return _ensure(folder / ".venv", requirements)


def _ensure(home: Path, requirements: Path) -> bool:
    python, stamp = home / "bin" / "python", home / "stamp"
    # The programs in it name their Python by its full path: a copy of the folder needs its own.
    digest = hashlib.sha256(requirements.read_bytes() + f"{sys.version}{home}".encode()).hexdigest()
    if os.access(python, os.X_OK) and stamp.exists() and stamp.read_bytes() == digest.encode():
        return False
    # The stamp goes first and comes last: what is interrupted in between has none.
    stamp.unlink(missing_ok=True)
    LOG_DIR.mkdir(parents=True, exist_ok=True)
    log = LOG_DIR / "service-setup.log"
    log.unlink(missing_ok=True)
    _run([sys.executable, "-m", "venv", "--clear", str(home)], requirements, log)
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    _run([*pip, "--require-hashes", "-r", str(requirements)], requirements, log)
    stamp.write_bytes(digest.encode())
    return True


def _run(command: list[str], requirements: Path, log: Path) -> None:
    with log.open("ab") as sink:
        result = subprocess.run(command, stdout=sink, stderr=subprocess.STDOUT, check=False)
    if result.returncode:
        raise CliError(
            f"The packages of {requirements} could not be installed.",
            detail=tail(log),
            remedy=f"Check the network and run again; the whole output is in {log}.",
        )
