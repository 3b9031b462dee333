"""What the platform's synthesis costs next to an empty CDK app's, and how it grows with what there is."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ops.paths import ROOT
from tools.bench.measurement import Command, Measurement, medians_in_turn

_EMPTY_APP = "import aws_cdk; aws_cdk.App().synth()"
_ROUNDS = 5
_COPIES = (1, 2, 4)


def measure() -> Iterator[Measurement]:
    """Synthesise prod with one pack and with four in turn with an empty app, then several prods at once."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _next_to_an_empty_app(Path(folder))
        yield from _as_resources_double(Path(folder))


def _next_to_an_empty_app(folder: Path) -> Iterator[Measurement]:
    empty, one, four = medians_in_turn(
        Command([sys.executable, "-c", _EMPTY_APP], _variables(folder / "empty")),
        Command([sys.executable, "app.py"], _variables(folder / "one", environment="prod")),
        Command(
            [sys.executable, "app.py"],
            _variables(folder / "four", environment="prod", **{"nag:packs": "all"}),
        ),
        rounds=_ROUNDS,
    )
    method = f"median of {_ROUNDS} whole processes, taken in turn"
    for name, seconds in {"empty app": empty, "prod, AWS Solutions": one, "prod, four packs": four}.items():
        yield Measurement(name=f"synth, {name}", value=seconds, unit="s", target="", method=method)
    for name, seconds, target in (("AWS Solutions", one, "≤ 4 ×"), ("four packs", four, "≤ 6 ×")):
        yield Measurement(
            name=f"synth, prod with {name} ÷ empty",
            value=seconds / empty,
            unit="×",
            target=target,
            method=method,
        )


def _as_resources_double(folder: Path) -> Iterator[Measurement]:
    commands = [
        Command(
            [sys.executable, "-m", "tools.bench.copies", str(count)], _variables(folder / f"copies-{count}")
        )
        for count in _COPIES
    ]
    for count, seconds in zip(_COPIES, medians_in_turn(*commands, rounds=3), strict=True):
        resources = _resources(folder / f"copies-{count}")
        yield Measurement(
            name=f"synth, {resources} resources",
            value=seconds / resources * 100,
            unit="s per 100",
            target="falling, or level",
            method=f"prod × {count} in one app, median of 3 whole processes",
        )


def _variables(outdir: Path, **context: str) -> Mapping[str, str]:
    document = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    document |= {"placeholders": "shown"} | context
    return os.environ | {"CDK_OUTDIR": str(outdir), "CDK_CONTEXT_JSON": json.dumps(document)}


def _resources(directory: Path) -> int:
    templates = directory.rglob("*.template.json")
    return sum(len(json.loads(template.read_text(encoding="utf-8"))["Resources"]) for template in templates)
