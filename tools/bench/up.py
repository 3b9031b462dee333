"""How long the main job takes when everything is installed."""

from collections.abc import Iterator

from tools.bench.measurement import Measurement
from tools.bench.throwaway import throwaway_sandbox


def measure() -> Iterator[Measurement]:
    """Deploy everything into an empty sandbox, then converge the running one."""
    with throwaway_sandbox() as harness:
        first = harness.seconds("up", "--detach")
        again = harness.seconds("up", "--detach")
    yield Measurement(
        name="./gantry up, warm, empty sandbox", value=first, unit="s", target="≤ 60 s", method="one run"
    )
    yield Measurement(name="./gantry up, already running", value=again, unit="s", target="", method="one run")
