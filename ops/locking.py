"""`./gantry lock`: pins every requirement with its hashes."""

import subprocess
from dataclasses import dataclass

from ops.console import CliError, phase
from ops.paths import ROOT


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A requirements file to lock, the oldest Python that it must serve, and what is there without it."""

    source: str
    target: str
    python: str = "3.11"
    omit: tuple[str, ...] = ()


# In this order: later files build on the pins of earlier ones.
LOCKS = (
    Lock(source="service/requirements.in", target="service/requirements.txt"),
    Lock(source="lambdas/requirements.in", target="lambdas/requirements.txt", omit=("botocore",)),
    Lock(source="requirements.in", target="requirements.txt"),
    Lock(source="requirements-dev.in", target="requirements-dev.txt"),
)


def run(*, upgrade: bool) -> None:
    """Lock all requirements files; without `upgrade`, pins move only where they must.

    Raises
    ------
    CliError
        When the requirements contradict each other.
    """
    for lock in LOCKS:
        options = ["--universal", "--generate-hashes", "--no-emit-index-url", "--quiet"]
        options += [word for package in lock.omit for word in ("--no-emit-package", package)]
        if upgrade:
            options.append("--upgrade")
        options += ["--python-version", lock.python, "--custom-compile-command", "./gantry lock"]
        command = ["uv", "pip", "compile", *options, "--output-file", lock.target, lock.source]
        with phase(lock.target):
            result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if result.returncode:
                raise CliError(f"{lock.source} cannot be locked.", detail=result.stderr)
