"""What others' rules say of the templates: cdk-nag's on every environment, and all of cfn-lint's."""

from pathlib import Path

import pytest
from aws_cdk import Validations
from cfnlint.config import ConfigMixIn  # type: ignore[import-untyped]  # has no annotations
from cfnlint.runner import Runner  # type: ignore[import-untyped]

import app as gantry_app
from ops.security.assessment import assess
from stacks.platform import Platform
from stacks.settings import load_settings
from tests.infrastructure.synthesis import BUILD_DIR, ENVIRONMENTS, Synthesised, new_app

# Rules of cfn-lint that are not followed, and why.
NOT_FOLLOWED = {
    "W3005": "an L2 of the CDK depends on a role as a whole, with its policies, and names the role beside",
}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_solutions_pack_finds_nothing_and_no_acknowledgement_is_stale(
    environment: str, tmp_path: Path
) -> None:
    outdir = tmp_path / "assembly"
    app = new_app(outdir)
    Platform(app, settings=load_settings(environment), build_dir=BUILD_DIR)
    Validations.of(app).add_plugins(*gantry_app.packs_of(app))
    app.synth()  # raises on a finding
    assessment = assess(outdir, environment=environment)
    assert assessment.failed == []
    assert assessment.stale == ()


def test_every_rule_of_cfn_lint_is_followed(platform: Synthesised) -> None:
    templates = sorted(str(file) for file in platform.assembly.directory.glob("*.template.json"))
    config = ConfigMixIn(
        templates=templates,
        regions=[platform.settings.region],
        include_checks=["I"],
        ignore_checks=list(NOT_FOLLOWED),
    )
    found = [str(match) for match in Runner(config).run()]
    assert found == []
