"""A sandbox next to the user's own, for a benchmark to use up."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.paths import ROOT
from tools.bench.measurement import seconds_of


@dataclass(frozen=True)
class Harness:
    """Runs `./gantry` on a state directory of its own."""

    state_dir: Path

    def seconds(self, *arguments: str) -> float:
        """Run `./gantry` with arguments and return its wall-clock seconds."""
        env = {key: value for key, value in os.environ.items() if key != "ENVIRONMENT"}
        return seconds_of(
            [str(ROOT / "gantry"), *arguments], env=env | {"GANTRY_STATE_DIR": str(self.state_dir)}
        )


@contextmanager
def throwaway_sandbox() -> Iterator[Harness]:
    """Yield a harness on an empty state directory; whatever it started is stopped and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as folder:
        harness = Harness(Path(folder) / "sandbox")
        try:
            yield harness
        finally:
            harness.seconds("down", "--wipe")
