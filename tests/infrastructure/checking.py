"""Checks environments with all packs of cdk-nag, as `./gantry check security` does, each once."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import app as gantry_app
from ops.assembly import Assembly, read
from ops.security.assessment import Assessment, assess
from ops.security.catalogue import PACKS
from stacks.platform import Platform
from stacks.settings import load_settings
from tests.infrastructure.synthesis import BUILD_DIR, new_app


@dataclass(frozen=True)
class Checker:
    """Makes the assessment of each combination of environment and overrides once."""

    root: Path
    _made: dict[str, Path] = field(default_factory=dict)
    _assessed: dict[str, Assessment] = field(default_factory=dict)

    def __call__(self, environment: str, overrides: Mapping[str, object] | None = None) -> Assessment:
        directory = self.assembly(environment, overrides).directory
        if str(directory) not in self._assessed:
            self._assessed[str(directory)] = assess(directory, environment=environment)
        return self._assessed[str(directory)]

    def assembly(self, environment: str, overrides: Mapping[str, object] | None = None) -> Assembly:
        """Return what was checked."""
        key = json.dumps([environment, overrides or {}], sort_keys=True)
        if key not in self._made:
            self._made[key] = self._check(environment, overrides or {})
        return read(self._made[key], environment=environment)

    def _check(self, environment: str, overrides: Mapping[str, object]) -> Path:
        outdir = self.root / f"{environment}-{len(self._made)}"
        app = new_app(outdir, validated=True)
        app.node.set_context("nag:packs", "all")
        Platform(app, settings=load_settings(environment, overrides=overrides), build_dir=BUILD_DIR)
        gantry_app.check(app, gantry_app.packs_of(app))
        # It fails on findings, which the assessment has, too.
        with contextlib.suppress(RuntimeError):
            app.synth()
        report = json.loads((outdir / "validation-report.json").read_text())
        others = [each for each in report["pluginReports"] if each["pluginName"] not in PACKS]
        # The CDK's own validation of templates.
        assert [each["violations"] for each in others if each["violations"]] == []
        return outdir
