"""Checks environments with all packs of cdk-nag, as `./gantry check security` does, each once."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import app as gantry_app
from ops.security.assessment import Assessment, assess
from stacks.platform import Platform
from stacks.settings import load_settings
from tests.infrastructure.synthesis import BUILD_DIR, new_app


@dataclass(frozen=True)
class Checker:
    """Makes the assessment of each environment once."""

    root: Path
    _made: dict[str, Assessment] = field(default_factory=dict)

    def __call__(self, environment: str) -> Assessment:
        if environment not in self._made:
            self._made[environment] = self._check(environment)
        return self._made[environment]

    def _check(self, environment: str) -> Assessment:
        outdir = self.root / environment
        app = new_app(outdir)
        app.node.set_context("nag:packs", "all")
        Platform(app, settings=load_settings(environment), build_dir=BUILD_DIR)
        gantry_app.check(app, gantry_app.packs_of(app))
        # It fails on findings, which the assessment has, too.
        with contextlib.suppress(RuntimeError):
            app.synth()
        return assess(outdir, environment=environment)
