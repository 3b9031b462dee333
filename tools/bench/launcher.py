"""What the launcher adds before Python runs."""

import sys
from collections.abc import Iterator

from ops.paths import ROOT
from tools.bench.measurement import Command, Measurement, medians_in_turn


def measure() -> Iterator[Measurement]:
    """Compare `./gantry --help` with the same command given to Python directly."""
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ops.cli import main; main()"
    through, direct = medians_in_turn(
        Command([str(ROOT / "gantry"), "--help"]),
        Command([sys.executable, "-c", code, str(ROOT), "--help"]),
        rounds=15,
    )
    yield Measurement(
        name="launcher overhead, warm",
        value=(through - direct) * 1000,
        unit="ms",
        target="< 150 ms",
        method="median of 15 pairs: ./gantry --help minus the same by Python",
    )
