"""Who may deploy from GitHub, and what they may do then."""

from pathlib import Path
from typing import Any

import pytest

from ops.assembly import Resource, read
from stacks.platform import Platform
from stacks.settings import load_settings
from tests.infrastructure.synthesis import BUILD_DIR, Synthesised, Synthesiser, as_list, new_app
from tests.infrastructure.variants import GITHUB, MADE, PREPARED

ISSUER = "token.actions.githubusercontent.com"
ROLE = "DeployRole"


@pytest.fixture
def deployable(synthesise: Synthesiser) -> Synthesised:
    return synthesise.having("prod", GITHUB)


def trust(platform: Synthesised) -> dict[str, Any]:
    role = platform.only("AWS::IAM::Role", path=ROLE)
    (statement,) = role.get("AssumeRolePolicyDocument", "Statement")
    assert isinstance(statement, dict)
    return statement


def providers(platform: Synthesised) -> list[Resource]:
    return platform.of_type("AWS::IAM::OIDCProvider")


def test_one_branch_of_one_repository_may_take_the_role_on(deployable: Synthesised) -> None:
    statement = trust(deployable)
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::333333333333:oidc-provider/{ISSUER}"}
    assert statement["Condition"] == {
        "StringEquals": {
            f"{ISSUER}:aud": "sts.amazonaws.com",
            f"{ISSUER}:sub": "repo:team/service:ref:refs/heads/main",
        }
    }


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"environment": "production"}, "repo:team/service:environment:production"),
        ({"repository": "team@12/service@34"}, "repo:team@12/service@34:ref:refs/heads/main"),
    ],
)
def test_subject_follows_the_settings(synthesise: Synthesiser, changes: dict[str, str], subject: str) -> None:
    platform = synthesise.having("prod", {f"security.github.{key}": value for key, value in changes.items()})
    assert trust(platform)["Condition"]["StringEquals"][f"{ISSUER}:sub"] == subject


def test_role_may_take_on_the_roles_of_the_bootstrap_and_protect_the_stacks(
    deployable: Synthesised,
) -> None:
    allowed = {
        tuple(as_list(statement["Action"])): set(as_list(statement["Resource"]))
        for policy, statement in deployable.statements()
        if policy.type == "AWS::IAM::Policy" and policy.path.startswith(f"{ROLE}/")
    }
    stacks = {
        f"arn:aws:cloudformation:{region}:333333333333:stack/{deployable.settings.stack_name(layer)}/*"
        for layer, region in deployable.settings.places.items()
    }
    assert allowed == {
        ("sts:AssumeRole",): {
            f"arn:aws:iam::333333333333:role/cdk-hnb659fds-{role}-role-333333333333-{region}"
            for role in ("deploy", "file-publishing", "image-publishing", "lookup")
            for region in ("us-east-1", "us-west-2")
        },
        (
            "cloudformation:DescribeStacks",
            "cloudformation:GetTemplate",
            "cloudformation:SetStackPolicy",
        ): stacks,
    }
    assert deployable.only("AWS::IAM::Role", path=ROLE).get("ManagedPolicyArns") is None


def test_name_is_known_to_workflows(deployable: Synthesised) -> None:
    assert deployable.only("AWS::IAM::Role", path=ROLE).get("RoleName") == "gantry-prod-deploy"


@pytest.mark.parametrize(
    ("waits", "hours"),
    [pytest.param(0, 3, marks=pytest.mark.long), (10, 4), pytest.param(1440, 12, marks=pytest.mark.long)],
)
def test_session_lasts_as_long_as_the_longest_deployment(
    synthesise: Synthesiser, waits: int, hours: int
) -> None:
    slow: dict[str, object] = {"deployment.strategy": "canary", "deployment.step_minutes": 60}
    slow |= {"deployment.bake_minutes": waits}
    if waits == 10:
        platform = synthesise.having("prod", slow)
    else:
        platform = synthesise("prod", GITHUB | PREPARED | slow)
    role = platform.only("AWS::IAM::Role", path=ROLE)
    assert role.get("MaxSessionDuration") == hours * 3600


def test_existing_provider_is_relied_on_and_not_made_again(synthesise: Synthesiser) -> None:
    platform = synthesise("prod", MADE["existing"])
    assert providers(platform) == []
    assert trust(platform) == trust(synthesise("prod", MADE["create"]))


def test_provider_is_made_for_aws_alone_and_before_the_role(deployable: Synthesised) -> None:
    (provider,) = providers(deployable)
    assert provider.get("Url") == f"https://{ISSUER}"
    assert provider.get("ClientIdList") == ["sts.amazonaws.com"]
    assert provider.logical_id in deployable.only("AWS::IAM::Role", path=ROLE).depends_on


def test_by_default_no_one_may_deploy_from_outside(platform: Synthesised) -> None:
    assert providers(platform) == []
    for resource, statement in platform.statements():
        if resource.type == "AWS::IAM::Role" and "Principal" in statement:
            assert set(statement["Principal"]) == {"Service"}, resource.path
            assert as_list(statement["Action"]) == ["sts:AssumeRole"]


def test_boundary_of_the_organisation_binds_every_role(tmp_path: Path) -> None:
    """As docs/decisions/0030-bootstrap-with-administration.md says to set it in cdk.json."""
    app = new_app(tmp_path)
    app.node.set_context("@aws-cdk/core:permissionsBoundary", {"name": "platform-boundary"})
    Platform(app, settings=load_settings("prod", overrides=GITHUB), build_dir=BUILD_DIR)
    app.synth()
    resources = read(tmp_path, environment="prod").resources
    boundaries = [r.get("PermissionsBoundary") for r in resources if r.type == "AWS::IAM::Role"]
    assert boundaries
    assert all(str(boundary).endswith(":policy/platform-boundary") for boundary in boundaries), boundaries
