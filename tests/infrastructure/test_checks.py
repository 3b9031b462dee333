"""What others' rules say of the templates: cdk-nag's on every environment, and all of cfn-lint's."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from cfnlint.config import ConfigMixIn  # type: ignore[import-untyped]  # has no annotations
from cfnlint.runner import Runner  # type: ignore[import-untyped]

import app as gantry_app
from gantry.nag import shared
from ops.assembly import Assembly, read
from ops.security.assessment import assess
from ops.security.findings import pack_of
from stacks.exemptions import EXEMPTIONS
from tests.infrastructure.checking import Checker
from tests.infrastructure.synthesis import (
    ENVIRONMENTS,
    ENVIRONMENTS_IN_TURN,
    Synthesiser,
    new_app,
    new_pipeline,
)

# Rules of cfn-lint that are not followed, and why.
NOT_FOLLOWED = {
    "W3005": "an L2 of the CDK depends on a role as a whole, with its policies, and names the role too",
}
NOT_FOLLOWED_BY_PIPELINE = {
    "I3510": "the CDK grants a connection's action by its former name; the present one is there too",
}


# What no environment that ships switches on.
SWITCHED_ON: dict[str, object] = {
    "canary.enabled": True,
    "accelerator.mode": "create",
    "deployment.alternate_target_group": True,
    "deployment.strategy": "canary",
    "domain.hosted_zone_id": "Z0123456789ABCDEFGHIJ",
    "domain.hosted_zone_name": "example.com",
    "domain.name": "tasks.example.com",
    "ecs.execute_command": True,
    "ecs.scheduled_scaling.morning": {
        "schedule": "cron(0 7 ? * MON-FRI *)",
        "min_capacity": 6,
        "max_capacity": 12,
    },
    "ecs.spot_percent": 50,
    "load_balancer.access_logs": False,
}


@pytest.mark.parametrize("environment", ENVIRONMENTS_IN_TURN)
def test_solutions_pack_finds_nothing(environment: str, checked: Checker) -> None:
    failed = [finding.id for finding in checked(environment).failed]
    assert [finding for finding in failed if pack_of(finding) == "AwsSolutions"] == []


@pytest.mark.parametrize("environment", ["prod", pytest.param("staging", marks=pytest.mark.long)])
def test_no_pack_finds_anything_where_data_is_kept(environment: str, checked: Checker) -> None:
    assert checked(environment).failed == []


@pytest.mark.parametrize("environment", ENVIRONMENTS_IN_TURN)
def test_what_is_acknowledged_is_still_found(environment: str, checked: Checker) -> None:
    assert checked(environment).stale == ()


def test_no_pack_finds_anything_in_what_can_be_switched_on(checked: Checker) -> None:
    assessment = checked("prod", SWITCHED_ON)
    assert assessment.failed == []
    assert assessment.stale == ()


def test_what_is_exempt_is_still_found(checked: Checker) -> None:
    found = {
        finding.id
        for outcome in checked("prod").outcomes
        for finding in outcome.acknowledged
        if finding.exempt
    }
    assert found == {name for each in EXEMPTIONS for name in shared(each.rule, each.packs)}


@pytest.mark.parametrize(
    "environment",
    ["sandbox", *(pytest.param(each, marks=pytest.mark.long) for each in ENVIRONMENTS if each != "sandbox")],
)
def test_every_rule_of_cfn_lint_is_followed(environment: str, synthesise: Synthesiser) -> None:
    assert lint(synthesise(environment).assembly, NOT_FOLLOWED) == []


def test_what_can_be_switched_on_follows_every_rule_of_cfn_lint(checked: Checker) -> None:
    assert lint(checked.assembly("prod", SWITCHED_ON), NOT_FOLLOWED) == []


@pytest.mark.long
def test_no_pack_finds_anything_in_a_pipeline_and_its_stages(tmp_path: Path) -> None:
    app = new_app(tmp_path / "assembly")
    app.node.set_context("nag:packs", "all")
    new_pipeline(app)
    gantry_app.check(app, gantry_app.packs_of(app))
    app.synth()  # raises on a finding
    assessment = assess(tmp_path / "assembly", environment="pipeline")
    assert assessment.failed == []
    assert assessment.stale == ()


@pytest.mark.long
def test_every_rule_of_cfn_lint_is_followed_by_a_pipeline(synthesise: Synthesiser) -> None:
    pipeline = read(synthesise.pipeline(), environment="pipeline")
    assert lint(pipeline, NOT_FOLLOWED | NOT_FOLLOWED_BY_PIPELINE) == []


@pytest.mark.parametrize(("environment", "stacks"), [("dev", 6), ("pipeline", 19)])
def test_app_that_is_shown_cannot_be_deployed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: str, stacks: int
) -> None:
    app = new_app(tmp_path)
    app.node.set_context("environment", environment)
    app.node.set_context("placeholders", "shown")
    monkeypatch.setattr(gantry_app, "App", lambda **_: app)
    monkeypatch.setattr(gantry_app, "check", lambda *_: None)
    gantry_app.main()
    templates = [json.loads(file.read_text()) for file in tmp_path.rglob("*.template.json")]
    assert len(templates) == stacks
    for template in templates:
        (assertion,) = template["Rules"]["NeverDeployed"]["Assertions"]
        assert assertion["Assert"] == {"Fn::Equals": ["shown", "deployed"]}


def lint(assembly: Assembly, not_followed: Mapping[str, str]) -> list[str]:
    """Return what cfn-lint finds in the templates, each in the region that it is for."""
    templates: dict[str, list[str]] = {}
    for stack in assembly.stacks:
        file = assembly.directory / f"{stack.id}.template.json"
        templates.setdefault(stack.region, []).append(str(file))
    assert len(list(assembly.directory.glob("*.template.json"))) == len(assembly.stacks)
    found = []
    for region, files in templates.items():
        rules = {"include_checks": ["I"], "ignore_checks": list(not_followed)}
        found += Runner(ConfigMixIn(templates=files, regions=[region], **rules)).run()
    return [str(match) for match in found]
