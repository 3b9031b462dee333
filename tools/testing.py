"""`./gantry test`: style, types and tests."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from ops.console import err
from ops.paths import ROOT

_CHECKED = (
    "app.py", "contract", "stacks", "constructs", "lambdas", "service", "ops", "tools", "sandbox", "tests",
)  # fmt: skip
# More would be too much for the tests that put a load on servers of their own.
_MOST_PROCESSES = 4


def _check(label: str, *arguments: str) -> int:
    began = time.monotonic()
    code = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=False).returncode
    _report(label, began)
    return code


def _report(label: str, began: float) -> None:
    err.print(f"[dim]{label}: {time.monotonic() - began:.1f} s[/dim]")


def _pytest(*arguments: str) -> int:
    # One more than processors, because the tests of the deployed platform mostly wait.
    processes = min((os.cpu_count() or 1) + 1, _MOST_PROCESSES)
    err.rule("[bold]Tests (pytest)[/bold]", align="left")
    return _check("Tests (pytest)", "pytest", "-n", str(processes), *arguments)


def _types_and_tests() -> int:
    """Check the types while the tests run: each alone would leave processors idle."""
    began = time.monotonic()
    types = subprocess.Popen(
        [sys.executable, "-m", "mypy", *_CHECKED], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        tests = _pytest()
        err.rule("[bold]Types (mypy strict)[/bold]", align="left")
        output, _ = types.communicate()
    except BaseException:
        types.kill()
        raise
    sys.stdout.write(output)
    _report("Types and tests", began)
    return max(tests, types.returncode)


def run(arguments: Sequence[str], *, long: bool) -> int:
    """Run every check and test, or only pytest when arguments for it are given; return the exit code.

    All of it runs even after a failure, so that one run shows everything that is wrong.

    Parameters
    ----------
    arguments
        Arguments for pytest.
    long
        Run the tests that are marked as long, instead of all others and the checks.
    """
    marked = ["-m", "long"] if long else []
    if arguments:
        command = [sys.executable, "-m", "pytest", *marked, *arguments]
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    if long:
        return _pytest(*marked)
    err.rule("[bold]Style (ruff)[/bold]", align="left")
    codes = [_check("Style (ruff)", "ruff", "check", ".")]
    codes.append(_check("Format (ruff)", "ruff", "format", "--check", "."))
    codes.append(_types_and_tests())
    return max(codes)
