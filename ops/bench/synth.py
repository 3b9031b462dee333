"""What the platform's synthesis costs beside an empty CDK app's."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ops.bench.measurement import Measurement, paired_medians
from ops.paths import ROOT

_EMPTY_APP = "import aws_cdk; aws_cdk.App().synth()"


def measure() -> Iterator[Measurement]:
    """Synthesise prod, checked by cdk-nag as always, in turn with an empty app."""
    with tempfile.TemporaryDirectory() as folder:
        context = json.dumps(json.loads((ROOT / "cdk.json").read_text())["context"] | {"environment": "prod"})
        prod = os.environ | {"CDK_OUTDIR": str(Path(folder) / "prod"), "CDK_CONTEXT_JSON": context}
        empty = os.environ | {"CDK_OUTDIR": str(Path(folder) / "empty")}
        full_seconds, empty_seconds = paired_medians(
            [sys.executable, "app.py"], [sys.executable, "-c", _EMPTY_APP], pairs=5,
            first_env=prod, second_env=empty,
        )  # fmt: skip
    method = "median of 5 pairs of whole processes"
    yield Measurement(name="synth, empty app", value=empty_seconds, unit="s", target="", method=method)
    yield Measurement(name="synth, prod with cdk-nag", value=full_seconds, unit="s", target="", method=method)
    yield Measurement(
        name="synth, prod ÷ empty",
        value=full_seconds / empty_seconds,
        unit="×",
        target="≤ 4 ×",
        method=method,
    )
