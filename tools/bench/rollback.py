"""How long the way back takes, next to the way there."""

from collections.abc import Iterator

from tools.bench.measurement import Measurement
from tools.bench.throwaway import throwaway_sandbox

_METHOD = "whole commands, in a sandbox: a variable of the service changes"


def measure() -> Iterator[Measurement]:
    """Deploy a change of the service twice, and go back from the second."""
    with throwaway_sandbox() as harness:
        harness.seconds("up", "--detach")
        harness.seconds("deploy", "--yes", "-c", "ecs.environment.FEATURE=one")
        there = harness.seconds("deploy", "--yes", "-c", "ecs.environment.FEATURE=two")
        back = harness.seconds("rollback", "--last-good", "--yes")
    yield Measurement(name="./gantry deploy", value=there, unit="s", target="", method=_METHOD)
    yield Measurement(name="./gantry rollback", value=back, unit="s", target="", method=_METHOD)
    yield Measurement(name="rollback ÷ deploy", value=back / there, unit="", target="≤ 0.5", method=_METHOD)
