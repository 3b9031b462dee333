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
    """A measured value in `unit`, next to its target in words."""

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


@dataclass(frozen=True)
class Command:
    """What is run, with which environment variables; by default those of this process."""

    words: Sequence[str]
    env: Mapping[str, str] | None = None

    def seconds(self) -> float:
        """Run it and return the wall-clock seconds."""
        return seconds_of(self.words, env=self.env)


def medians_in_turn(*commands: Command, rounds: int) -> list[float]:
    """Run commands in turn after one warm-up each, and return the median seconds of each.

    Taking turns lets a machine whose speed drifts slow all alike.
    """
    for command in commands:
        command.seconds()
    times = [[command.seconds() for command in commands] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times, strict=True)]
