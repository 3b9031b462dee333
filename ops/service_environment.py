"""Makes service/.venv, in which the sandbox runs the service's tasks."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from ops.console import CliError, tail
from ops.paths import LOG_DIR, SERVICE_DIR


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
    home = folder / ".venv"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = home / "stamp"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return False
    LOG_DIR.mkdir(parents=True, exist_ok=True)
    log = LOG_DIR / "service-setup.log"
    venv.create(home, with_pip=True, clear=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    install = [*pip, "--require-hashes", "-r", str(requirements)]
    with log.open("w", encoding="utf-8") as sink:
        result = subprocess.run(install, stdout=sink, stderr=subprocess.STDOUT, check=False)
    if result.returncode:
        raise CliError(
            f"The packages of {requirements} could not be installed.",
            detail=tail(log),
            remedy=f"Check the network and run again; the whole output is in {log}.",
        )
    stamp.write_text(digest, encoding="utf-8")
    return True
