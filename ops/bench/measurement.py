"""One number, what it should be, and how it came about."""

import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ops.console import CliError
from ops.paths import ROOT


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A measured value in `unit`, beside its target in words."""

    name: str
    value: float
    unit: str
    target: str
    method: str

    @property
    def shown(self) -> str:
        """The value with its unit, to three significant digits."""
        return (
            f"{self.value:.3g} {self.unit}".strip()
            if abs(self.value) < 1000
            else f"{self.value:.0f} {self.unit}"
        )


def seconds_of(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> float:
    """Run a command to its end, its output thrown away, and return the wall-clock seconds.

    Raises
    ------
    CliError
        When the command fails: the time of a failure says nothing.
    """
    began = time.perf_counter()
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    elapsed = time.perf_counter() - began
    if result.returncode:
        raise CliError(
            f"`{' '.join(command)}` failed with exit code {result.returncode} while being measured.",
            detail=(result.stdout + result.stderr)[-3000:],
        )
    return elapsed


def paired_medians(first: Sequence[str], second: Sequence[str], *, pairs: int,
                   first_env: Mapping[str, str] | None = None,
                   second_env: Mapping[str, str] | None = None) -> tuple[float, float]:  # fmt: skip
    """Run two commands in turn after one warm-up each, and return the median seconds of both.

    Taking turns lets a machine whose speed drifts slow both alike.
    """
    for command, env in ((first, first_env), (second, second_env)):
        seconds_of(command, env=env)
    times = [(seconds_of(first, env=first_env), seconds_of(second, env=second_env)) for _ in range(pairs)]
    return statistics.median(a for a, _ in times), statistics.median(b for _, b in times)
