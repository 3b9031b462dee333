"""Synthesises environments for the tests of this folder, each combination of settings once."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from aws_cdk import App, Stage

from ops.assembly import Assembly, Resource, read
from stacks.pipeline import Pipeline
from stacks.platform import Platform
from stacks.settings import Settings, load_pipeline, load_settings, platforms
from stacks.settings.model import SettingsModel
from tests.infrastructure.variants import VARIANTS

ROOT = Path(__file__).parents[2]
BUILD_DIR = Path(os.environ.get("GANTRY_BUILD_DIR", ROOT / ".gantry" / "build"))
ENVIRONMENTS = platforms()
# For what takes long: every day what runs here and what differs from it most, the others with the long tests.
ENVIRONMENTS_IN_TURN = [
    name if name in {"sandbox", "prod"} else pytest.param(name, marks=pytest.mark.long)
    for name in ENVIRONMENTS
]
# What may stay when a stack goes without holding what a person would miss.
LEFT_BEHIND = frozenset(
    {
        "AWS::ElastiCache::UserGroup",
        "AWS::Logs::LogGroup",
        "AWS::RDS::DBClusterParameterGroup",
        "AWS::RDS::DBInstance",
        "AWS::RDS::DBSubnetGroup",
        "Custom::CacheUser",
        "Custom::VpcRestrictDefaultSG",  # only what its deletion would do
    }
)

Change = Callable[[Platform], None]
"""Changes the stacks of a platform."""


def new_app(outdir: Path, *, validated: bool = False) -> App:
    """Return an app as the CDK CLI makes it: with the context of cdk.json.

    The CDK's own validation of templates takes most of a synthesis, and is left to the tests that ask for it.
    """
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    return App(
        context=context | {"aws:cdk:enable-path-metadata": True},
        outdir=str(outdir),
        builtin_cloud_formation_validation=validated,
    )


def new_pipeline(app: App, overrides: Mapping[str, object] | None = None) -> Pipeline:
    """Make the pipeline and its stages, as the app does."""
    settings = load_pipeline("pipeline", overrides=overrides)
    stages = [load_settings(stage, environ={}) for stage in settings.stages]
    return Pipeline(app, settings=settings, stages=stages, build_dir=BUILD_DIR)


@dataclass(frozen=True)
class Synthesised:
    """An environment and what the CDK app makes of it.

    Attributes
    ----------
    read
        The settings that the app read: a field of a model each.
    """

    settings: Settings
    assembly: Assembly
    read: frozenset[tuple[type[SettingsModel], str]]

    def template(self, layer: str) -> dict[str, Any]:
        """Return the template of a layer."""
        text = (self.assembly.directory / f"{layer.capitalize()}.template.json").read_text()
        template: dict[str, Any] = json.loads(text)
        return template

    def protected(self, layer: str) -> bool:
        """Return whether CloudFormation refuses to delete a layer's stack."""
        manifest = json.loads((self.assembly.directory / "manifest.json").read_text())
        stack = manifest["artifacts"][layer.capitalize()]
        return bool(stack["properties"].get("terminationProtection"))

    def of_type(self, *types: str) -> list[Resource]:
        """Return the resources of some types."""
        return [resource for resource in self.assembly.resources if resource.type in types]

    def only(self, resource_type: str, *, path: str = "") -> Resource:
        """Return the one resource of a type whose path contains a text."""
        found = [resource for resource in self.of_type(resource_type) if path in resource.path]
        assert len(found) == 1, f"{len(found)} of {resource_type} at {path!r}: {[r.path for r in found]}"
        return found[0]

    def statements(self) -> Iterator[tuple[Resource, dict[str, Any]]]:
        """Yield every statement of every policy, with the resource that holds it."""
        for resource in self.assembly.resources:
            for key in ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument", "ResourcePolicy"):
                for statement in resource.get(key, "Statement", default=()):
                    yield resource, statement
            for policy in resource.get("Policies", default=()) if resource.type == "AWS::IAM::Role" else ():
                for statement in policy["PolicyDocument"]["Statement"]:
                    yield resource, statement


@dataclass(frozen=True)
class Synthesiser:
    """Makes each environment with the same settings once."""

    root: Path
    _made: dict[str, Synthesised] = field(default_factory=dict)
    _pipelines: dict[str, Path] = field(default_factory=dict)

    def __call__(self, environment: str, overrides: Mapping[str, object] | None = None) -> Synthesised:
        settings = load_settings(environment, overrides=overrides)
        key = settings.model_dump_json()
        if key not in self._made:
            self._made[key] = self.of(settings)
        return self._made[key]

    def having(self, environment: str, settings: Mapping[str, object]) -> Synthesised:
        """Return a variant of an environment that has some settings, whatever else it has.

        Raises
        ------
        LookupError
            If none of VARIANTS has them.
        """
        for name, overrides in VARIANTS:
            if name == environment and settings.items() <= overrides.items():
                return self(name, overrides)
        raise LookupError(f"variants.py has no {environment} with {settings}")

    def of(self, settings: Settings, change: Change = lambda _: None) -> Synthesised:
        """Synthesise settings, whether they were before or not, with something else in the stacks."""
        outdir = Path(mkdtemp(dir=self.root))
        app = new_app(outdir)
        with _recording() as fields:
            change(Platform(app, settings=settings, build_dir=BUILD_DIR))
            app.synth()
        return Synthesised(settings, read(outdir, environment=settings.environment), frozenset(fields))

    def pipeline(self, overrides: Mapping[str, object] | None = None) -> Path:
        """Return the directory of a pipeline's assembly; its stages' are nested in it."""
        key = json.dumps(["pipeline", overrides or {}], sort_keys=True)
        if key not in self._pipelines:
            outdir = Path(mkdtemp(dir=self.root))
            app = new_app(outdir)
            new_pipeline(app, overrides)
            app.synth()
            self._pipelines[key] = outdir
        return self._pipelines[key]

    def in_stage(self, environment: str) -> Assembly:
        """Return an environment as a pipeline's stage makes it."""
        outdir = self.root / f"stage-{environment}"
        app = new_app(outdir)
        stage = Stage(app, "Stage")
        Platform(stage, settings=load_settings(environment), build_dir=BUILD_DIR)
        app.synth()
        return read(outdir / "assembly-Stage", environment=environment)


@contextmanager
def _recording() -> Iterator[set[tuple[type[SettingsModel], str]]]:
    """Collect which fields of which models are read meanwhile."""
    fields: set[tuple[type[SettingsModel], str]] = set()

    def recording(self: SettingsModel, name: str) -> object:
        fields.add((type(self), name))
        return object.__getattribute__(self, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SettingsModel, "__getattribute__", recording)
        yield fields


def as_list(value: Any) -> list[Any]:  # noqa: ANN401 - JSON
    """Return what CloudFormation accepts alone or in a list as a list."""
    return value if isinstance(value, list) else [value]
