#!/usr/bin/env python3
"""The CDK app: `cdk synth`, `cdk diff`, `cdk deploy --all`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# A source root rather than an installed package: a hash-locked requirements file installs nothing editable.
sys.path.insert(0, str(ROOT / "constructs"))

from aws_cdk import App, Validations
from cdk_nag import (
    AwsSolutionsChecks,
    HIPAASecurityChecks,
    NagPack,
    NIST80053R5Checks,
    PCIDSS321Checks,
)

from gantry.functions.python_asset import BundlingError
from stacks.exemptions import exempt
from stacks.never_deployed import CONTEXT, SHOWN
from stacks.pipeline import Pipeline
from stacks.platform import Platform
from stacks.settings import (
    PipelineSettings,
    Settings,
    SettingsError,
    is_pipeline,
    is_settings_key,
    load_pipeline,
    load_settings,
    refuse_placeholders,
)

# By the names that cdk-nag's findings begin with. The first runs on every synthesis.
PACKS: dict[str, type[NagPack]] = {
    "AwsSolutions": AwsSolutionsChecks,
    "NIST.800.53.R5": NIST80053R5Checks,
    "HIPAA.Security": HIPAASecurityChecks,
    "PCI.DSS.321": PCIDSS321Checks,
}


def settings_of(app: App) -> Settings | PipelineSettings:
    """Return the settings that the app's context and the environment's variables choose.

    Raises
    ------
    SettingsError
        When no environment is chosen, or its settings cannot be used.
    """
    environment = app.node.try_get_context("environment") or os.environ.get("ENVIRONMENT")
    if not environment:
        raise SettingsError("no environment is chosen: give -c environment=prod, or set ENVIRONMENT=prod")
    context = app.node.get_all_context()
    overrides = {key: value for key, value in context.items() if is_settings_key(key)}
    load = load_pipeline if is_pipeline(environment) else load_settings
    return load(environment, overrides=overrides)


def shows_placeholders(app: App) -> bool:
    """Return whether the app is only looked at, with `-c placeholders=shown`.

    Raises
    ------
    SettingsError
        When something else is asked of them.
    """
    given = app.node.try_get_context(CONTEXT)
    if given not in (None, SHOWN):
        raise SettingsError(f"{CONTEXT} = {given!r}: may only be {SHOWN}")
    return given is not None


def packs_of(app: App) -> list[NagPack]:
    """Return the rule packs that check the app: AwsSolutions, or those of `-c nag:packs=all` or of a list.

    Raises
    ------
    SettingsError
        When there is no such pack.
    """
    given = app.node.try_get_context("nag:packs") or "AwsSolutions"
    names = list(PACKS) if given == "all" else str(given).split(",")
    for name in names:
        if name not in PACKS:
            raise SettingsError(f"nag:packs = {name!r}: there are all, {', '.join(PACKS)}")
    return [PACKS[name](app) for name in names]


def check(app: App, packs: Sequence[NagPack]) -> None:
    """Have packs check everything in the app but what is exempt; its synthesis then fails on a finding."""
    exempt(app)
    Validations.of(app).add_plugins(*packs)


def main() -> None:
    """Synthesise the chosen environment, checked by cdk-nag."""
    # Stack traces of constructs show nothing of Python, and collecting them takes a tenth of the time.
    app = App(context={"aws:cdk:disable-stack-trace": True})
    build_dir = Path(os.environ.get("GANTRY_BUILD_DIR", ROOT / ".gantry" / "build"))
    try:
        packs = packs_of(app)
        settings = settings_of(app)
        # Variables are those of the machine that builds: in a pipeline, its own region.
        names = settings.stages if isinstance(settings, PipelineSettings) else ()
        stages = [load_settings(stage, environ={}) for stage in names]
        if not shows_placeholders(app):
            refuse_placeholders(settings, *stages)
        if isinstance(settings, PipelineSettings):
            Pipeline(app, settings=settings, stages=stages, build_dir=build_dir)
        else:
            Platform(app, settings=settings, build_dir=build_dir)
    except (SettingsError, BundlingError) as error:
        sys.exit(f"gantry: {error}")
    check(app, packs)
    app.synth()


if __name__ == "__main__":
    main()
