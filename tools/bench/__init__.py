"""`./gantry bench`: prints measurements next to their targets. Nothing here passes or fails."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict

from rich.table import Table

from ops.console import CliError, out, phase
from tools.bench import functions, launcher, memory, rollback, rotation, service, suite, synth, up
from tools.bench.measurement import Measurement

BENCHMARKS: dict[str, Callable[[], Iterable[Measurement]]] = {
    "launcher": launcher.measure,
    "synth": synth.measure,
    "up": up.measure,
    "memory": memory.measure,
    "rollback": rollback.measure,
    "rotation": rotation.measure,
    "service": service.measure,
    "functions": functions.measure,
    "test": suite.measure,
}


def run(names: list[str], *, as_json: bool) -> None:
    """Run the named benchmarks (all by default) and print their numbers.

    Raises
    ------
    CliError
        When a name is unknown.
    """
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise CliError(f"No benchmark is called {', '.join(unknown)}. There are: {', '.join(BENCHMARKS)}.")
    measurements: list[Measurement] = []
    for name in names or BENCHMARKS:
        with phase(f"Benchmark {name}"):
            measurements += BENCHMARKS[name]()
    if as_json:
        out.print_json(json.dumps([asdict(measurement) for measurement in measurements]))
        return
    table = Table("Measurement", "Value", "Target", "How it was measured", title_justify="left")
    for measurement in measurements:
        table.add_row(measurement.name, measurement.shown, measurement.target, measurement.method)
    out.print(table)
