"""Every policy of every environment means something: AWS knows its actions, resources and conditions."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from ops.assembly import Assembly, Resource, read
from tests.infrastructure import iam
from tests.infrastructure.arns import Reader
from tests.infrastructure.synthesis import ENVIRONMENTS, Synthesised, Synthesiser, as_list
from tests.infrastructure.variants import HEALTH_CANARY, SWITCHED_ON

IDENTITY_POLICIES = {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"}
# On every resource although AWS knows less, and why there is no other way.
_ATTACHING = "Lambda refuses a role that has it on less; what it may touch does not exist yet"
EVERYWHERE = {
    "cloudwatch:PutMetricData": "it knows datasets, which metrics need not be in; a condition names theirs",
    "ec2:AssignPrivateIpAddresses": _ATTACHING,
    "ec2:CreateNetworkInterface": _ATTACHING,
    "ec2:DeleteNetworkInterface": _ATTACHING,
    "ec2:UnassignPrivateIpAddresses": _ATTACHING,
    "ecs:ListTasks": "it knows container instances, which Fargate lacks; a condition names the cluster",
}


# Required by AWS's reference, and why a role needs no right to it.
NOT_NEEDED = {
    ("codestar-connections:UseConnection", "Connection"): (
        "the CDK allows it under the service's old name, too; connections are made under the new one alone"
    ),
}

COMBINATIONS = [*((environment, {}) for environment in ENVIRONMENTS), *SWITCHED_ON]


def name_of(combination: tuple[str, dict[str, object]] | None) -> str:
    return "pipeline" if combination is None else f"{combination[0]}{'+' if combination[1] else ''}"


@pytest.fixture(params=COMBINATIONS, ids=name_of)
def platform(request: pytest.FixtureRequest, synthesise: Synthesiser) -> Synthesised:
    return synthesise(*request.param)


@dataclass(frozen=True)
class Statement:
    """A statement of a policy, and the resource that has it."""

    resource: Resource
    body: Mapping[str, Any]

    @property
    def where(self) -> str:
        return f"{self.resource.stack}/{self.resource.path}"

    @property
    def is_trust(self) -> bool:
        return "Resource" not in self.body

    @property
    def is_of_identity(self) -> bool:
        """Whether it says what a role may do, rather than who may use a resource."""
        return self.resource.type in IDENTITY_POLICIES and not self.is_trust

    @property
    def allows(self) -> bool:
        return bool(self.body["Effect"] == "Allow")

    @property
    def actions(self) -> list[str]:
        return [str(action) for action in as_list(self.body["Action"])]

    @property
    def is_for_the_account(self) -> bool:
        """Whether it is the statement that lets IAM policies of the account speak of a key at all."""
        roots = str(self._principal.get("AWS", "")).endswith(":root")
        return self.resource.type == "AWS::KMS::Key" and self.actions == ["kms:*"] and roots

    @property
    def is_of_emptying(self) -> bool:
        """Whether the CDK wrote it for its function that empties buckets before they are deleted."""
        return "S3AutoDeleteObjects" in str(self._principal.get("AWS"))

    @property
    def openid_issuer(self) -> str | None:
        """Host of the identity provider that it trusts."""
        return "token.actions.githubusercontent.com" if "Federated" in self._principal else None

    @property
    def _principal(self) -> Mapping[str, Any]:
        principal = self.body.get("Principal", {})
        return principal if isinstance(principal, Mapping) else {}


def statements(platform: Synthesised) -> Iterator[Statement]:
    """Yield all statements wherever they are in a template: inline, in key policies, in access policies."""
    yield from statements_of(platform.assembly)


def statements_of(assembly: Assembly) -> Iterator[Statement]:
    """Yield all statements of an assembly, be it an environment's or the pipeline's."""
    for resource in assembly.resources:
        for body in _bodies(resource.properties):
            yield Statement(resource, body)


def _bodies(value: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping):
        if "Effect" in value and ("Action" in value or "NotAction" in value):
            yield value
        for inner in value.values():
            yield from _bodies(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _bodies(inner)


def test_policies_say_what_is_meant_and_not_what_is_excepted(platform: Synthesised) -> None:
    for statement in statements(platform):
        assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement.body), statement.where


def test_aws_knows_every_action(platform: Synthesised) -> None:
    for statement in statements(platform):
        for action in statement.actions:
            assert iam.actions(action), f"{statement.where}: there is no {action}"


def test_no_action_is_allowed_by_pattern(platform: Synthesised) -> None:
    for statement in statements(platform):
        if statement.allows and not (statement.is_for_the_account or statement.is_of_emptying):
            assert not [action for action in statement.actions if "*" in action], statement.where


def test_aws_knows_every_condition_of_the_actions_in_its_statement(platform: Synthesised) -> None:
    for statement in statements(platform):
        for key in {key for keys in statement.body.get("Condition", {}).values() for key in keys}:
            for action in {each for pattern in statement.actions for each in iam.actions(pattern)}:
                known = iam.is_condition_of(key, action, openid_issuer=statement.openid_issuer)
                assert known, f"{statement.where}: {action} knows no {key}"


def resources(platform: Synthesised, statement: Statement) -> list[str]:
    reader = Reader(platform.assembly)
    return [reader.text(statement.resource, value) for value in as_list(statement.body["Resource"])]


def test_every_action_is_allowed_on_something_that_it_works_on(platform: Synthesised) -> None:
    """Otherwise the statement allows nothing, which shows on the day on which it is needed."""
    for statement in statements(platform):
        if statement.is_trust or not statement.allows:
            continue
        arns = resources(platform, statement)
        for pattern in statement.actions:
            works = any(iam.works_on(action, arn) for action in iam.actions(pattern) for arn in arns)
            assert "*" in arns or works, f"{statement.where}: {pattern} does not work on {arns}"


def test_every_resource_is_one_that_some_action_works_on(platform: Synthesised) -> None:
    for statement in statements(platform):
        if not statement.is_trust:
            for arn in resources(platform, statement):
                known = {each for pattern in statement.actions for each in iam.actions(pattern)}
                useful = arn == "*" or any(iam.works_on(action, arn) for action in known)
                assert useful, f"{statement.where}: nothing of {sorted(known)[:5]} works on {arn}"


def test_every_resource_at_once_is_meant_only_where_aws_knows_no_less(platform: Synthesised) -> None:
    for statement in statements(platform):
        if statement.is_of_identity and statement.allows and "*" in resources(platform, statement):
            for action in statement.actions:
                assert not iam.knows_resources(action) or action in EVERYWHERE, f"{statement.where}: {action}"


@pytest.fixture(params=[*COMBINATIONS, None], ids=name_of)
def assembly(request: pytest.FixtureRequest, synthesise: Synthesiser) -> Assembly:
    if request.param is None:
        return read(synthesise.pipeline(), environment="pipeline")
    return synthesise(*request.param).assembly


def test_action_is_allowed_on_every_resource_that_it_takes(assembly: Assembly) -> None:
    """IAM asks for each type of resource that its reference calls required, in whatever statement."""
    lacking = {
        (action, kind)
        for allowed in rights(assembly).values()
        for action, arns in allowed.items()
        for kind in iam.required_types(action)
        if not any(arn == "*" or iam.names(action, kind, arn) for arn in arns)
    }
    assert lacking <= set(NOT_NEEDED)
    if assembly.environment == "pipeline":
        assert lacking == set(NOT_NEEDED)


def rights(assembly: Assembly) -> Mapping[str, Mapping[str, set[str]]]:
    """Return on what each role is allowed each action that is named, by all of its policies together."""
    found: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    reader = Reader(assembly)
    for statement in statements_of(assembly):
        if not (statement.is_of_identity and statement.allows):
            continue
        arns = {reader.text(statement.resource, each) for each in as_list(statement.body["Resource"])}
        for action in (each for each in statement.actions if "*" not in each):
            found[statement.where.partition("/DefaultPolicy")[0]][action] |= arns
    return found


def test_log_group_is_named_in_both_forms(assembly: Assembly) -> None:
    """AWS decides some actions on the one and some on the other, and has changed which."""
    for allowed in rights(assembly).values():
        for action, arns in allowed.items():
            if action.startswith("logs:"):
                bare = {arn for arn in arns if re.fullmatch(r"arn:.*:log-group:[^:*]*", arn)}
                assert {f"{arn}:*" for arn in bare} <= arns, action


def test_exceptions_are_used(synthesise: Synthesiser) -> None:
    everywhere = {
        action
        for statement in statements(synthesise("prod", HEALTH_CANARY))
        if statement.is_of_identity and statement.allows and statement.body["Resource"] == "*"
        for action in statement.actions
    }
    assert set(EVERYWHERE) <= everywhere


@pytest.mark.parametrize(
    ("action", "arn", "works"),
    [
        ("s3:PutObject", "arn:aws:s3:::name/*", True),
        ("s3:GetBucketAcl", "arn:aws:s3:::name", True),
        ("s3:GetBucketAcl", "arn:aws:s3:::name/key", False),
        ("logs:PutLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:name:*", True),
        ("logs:PutLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:name", False),
        ("rds:DescribeDBClusters", "arn:aws:rds:us-east-1:123456789012:cluster-snapshot:name*", False),
        ("ecs:UpdateService", "arn:aws:ecs:us-east-1:123456789012:task/cluster/id", False),
        ("sts:AssumeRole", "arn:aws:iam::123456789012:user/name", False),
    ],
)
def test_what_an_action_works_on_is_distinguished(action: str, arn: str, works: bool) -> None:
    assert iam.works_on(action, arn) is works


def test_what_there_is_not_is_distinguished() -> None:
    assert not iam.actions("s3:GetObjects")
    assert not iam.actions("s4:GetObject")
    assert not iam.is_condition_of("ecs:clusters", "ecs:ListTasks")
    assert not iam.is_condition_of("kms:EncryptionContext:SecretARN", "kms:DescribeKey")
    assert iam.is_condition_of("kms:EncryptionContext:SecretARN", "kms:Decrypt")
