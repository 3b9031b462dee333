"""Checks environments with all packs of cdk-nag, as `./gantry check security` does, each once."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import app as gantry_app
from ops.security.assessment import Assessment, assess
from stacks.platform import Platform
from stacks.settings import load_settings
from tests.infrastructure.synthesis import BUILD_DIR, new_app


@dataclass(frozen=True)
class Checker:
    """Makes the assessment of each combination of environment and overrides once."""

    root: Path
    _made: dict[str, Assessment] = field(default_factory=dict)

    def __call__(self, environment: str, overrides: Mapping[str, object] | None = None) -> Assessment:
        key = json.dumps([environment, overrides or {}], sort_keys=True)
        if key not in self._made:
            self._made[key] = self._check(environment, overrides or {})
        return self._made[key]

    def _check(self, environment: str, overrides: Mapping[str, object]) -> Assessment:
        outdir = self.root / f"{environment}-{len(self._made)}"
        app = new_app(outdir)
        app.node.set_context("nag:packs", "all")
        Platform(app, settings=load_settings(environment, overrides=overrides), build_dir=BUILD_DIR)
        gantry_app.check(app, gantry_app.packs_of(app))
        # It fails on findings, which the assessment has, too.
        with contextlib.suppress(RuntimeError):
            app.synth()
        return assess(outdir, environment=environment)
