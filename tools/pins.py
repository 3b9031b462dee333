"""`./gantry pins`: pins every requirement with its hashes."""

import subprocess
from dataclasses import dataclass

from ops.console import CliError, phase
from ops.paths import ROOT


@dataclass(frozen=True, kw_only=True)
class Pins:
    """A requirements file to pin, the oldest Python that it must serve, and what is there without it."""

    source: str
    target: str
    python: str = "3.11"
    omit: tuple[str, ...] = ()


# In this order: later files build on the pins of earlier ones.
FILES = (
    Pins(source="service/requirements.in", target="service/requirements.txt"),
    Pins(source="lambdas/requirements.in", target="lambdas/requirements.txt", omit=("botocore",)),
    Pins(source="requirements.in", target="requirements.txt"),
    Pins(source="requirements-sandbox.in", target="requirements-sandbox.txt"),
    Pins(source="requirements-dev.in", target="requirements-dev.txt"),
)


def run(*, upgrade: bool) -> None:
    """Pin all requirements files; without `upgrade`, pins move only where they must.

    Raises
    ------
    CliError
        When the requirements contradict each other.
    """
    for file in FILES:
        options = ["--universal", "--generate-hashes", "--no-emit-index-url", "--quiet"]
        options += [word for package in file.omit for word in ("--no-emit-package", package)]
        if upgrade:
            options.append("--upgrade")
        options += ["--python-version", file.python, "--custom-compile-command", "./gantry pins"]
        command = ["uv", "pip", "compile", *options, "--output-file", file.target, file.source]
        with phase(file.target):
            result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if result.returncode:
                raise CliError(f"{file.source} cannot be pinned.", detail=result.stderr)
