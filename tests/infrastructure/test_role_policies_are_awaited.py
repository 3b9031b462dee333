"""What uses a role waits for what the role may do: its policy is a resource of its own, made side by side."""

from collections.abc import Iterator

import pytest

from ops.assembly import Assembly, Resource, read
from tests.infrastructure.dependencies import made_before
from tests.infrastructure.synthesis import Synthesiser
from tests.infrastructure.test_iam_policies import COMBINATIONS, name_of

POLICIES = {"AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"}
# What names a role without using it.
NAMING = {
    "AWS::ECS::TaskDefinition": "its tasks use the roles, which the service starts",
    "AWS::IAM::ManagedPolicy": "it is what is waited for",
    "AWS::IAM::Policy": "it is what is waited for",
    "AWS::IAM::Role": "its trust or policy names another one",
}
# By construct path: what need not wait, and why.
NOT_WAITING = {
    "Backup/Failures/Rule": "its pattern names the role of the jobs that it is about",
}
# Made by CDK Pipelines, out of reach before the pipeline is built, and run by the pipeline alone: whose first
# stage fails when CloudFormation is still busy with the policies, and is retried.
OF_CDK_PIPELINES = "Delivery/Pipeline/"


@pytest.fixture(params=COMBINATIONS, ids=name_of)
def assembly(request: pytest.FixtureRequest, synthesise: Synthesiser) -> Assembly:
    return synthesise(*request.param).assembly


def early(assembly: Assembly) -> Iterator[tuple[str, str]]:
    """Yield what is made before the policy of a role that it uses."""
    for user in assembly.resources:
        if user.type in NAMING:
            continue
        before = made_before(assembly, user)
        for role in roles(assembly, user):
            for policy in assembly.referrers(role):
                attached = policy.type in POLICIES and role in assembly.referents(policy, policy.get("Roles"))
                if attached and policy not in before:
                    yield user.construct, policy.path


def roles(assembly: Assembly, user: Resource) -> list[Resource]:
    """Return the roles that a resource uses, those of its tasks included."""
    tasks = [each for each in assembly.referents(user) if each.type == "AWS::ECS::TaskDefinition"]
    named = [role for each in (user, *tasks) for role in assembly.referents(each)]
    return [each for each in named if each.type == "AWS::IAM::Role" and each.stack == user.stack]


def test_policy_is_there_before_its_role_is_used(assembly: Assembly) -> None:
    assert {user for user, _ in early(assembly)} <= set(NOT_WAITING)


def test_pipelines_own_parts_are_the_cdks(synthesise: Synthesiser) -> None:
    assembly = read(synthesise.pipeline(), environment="pipeline")
    assert all(user.startswith(OF_CDK_PIPELINES) for user, _ in early(assembly))


def test_exceptions_are_used(synthesise: Synthesiser) -> None:
    assert {user for user, _ in early(synthesise("prod").assembly)} == set(NOT_WAITING)
