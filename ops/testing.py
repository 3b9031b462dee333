"""`./gantry test`: style, types and tests, in the order of how fast they fail."""

import subprocess
import sys
import time
from collections.abc import Sequence

from ops.console import err
from ops.paths import ROOT

_CHECKED = ("app.py", "stacks", "constructs", "lambdas", "service", "ops", "sandbox", "tests")


def _checks() -> list[tuple[str, list[str]]]:
    python = sys.executable
    return [
        ("Style (ruff)", [python, "-m", "ruff", "check", "."]),
        ("Format (ruff)", [python, "-m", "ruff", "format", "--check", "."]),
        ("Types (mypy strict)", [python, "-m", "mypy", *_CHECKED]),
    ]


def _timed(label: str, command: Sequence[str]) -> int:
    err.rule(f"[bold]{label}[/bold]", align="left")
    began = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    err.print(f"[dim]{label}: {time.monotonic() - began:.1f} s[/dim]")
    return code


def run(arguments: Sequence[str]) -> int:
    """Run every check and test, or only pytest when arguments for it are given; return the exit code.

    All of it runs even after a failure, so that one run shows everything that is wrong.
    """
    pytest = [sys.executable, "-m", "pytest", *arguments]
    if arguments:
        return subprocess.run(pytest, cwd=ROOT, check=False).returncode
    codes = [_timed(label, command) for label, command in [*_checks(), ("Tests (pytest)", pytest)]]
    return max(codes)
