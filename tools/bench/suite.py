"""How long a developer waits for the tests."""

from collections.abc import Iterator

from ops.paths import ROOT
from tools.bench.measurement import Measurement, seconds_of


def measure() -> Iterator[Measurement]:
    """Run `./gantry test` once."""
    seconds = seconds_of([str(ROOT / "gantry"), "test"])
    yield Measurement(name="./gantry test", value=seconds, unit="s", target="≤ 360 s", method="one run")
