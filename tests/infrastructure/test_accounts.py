"""Two environments deploy side by side into one region of one account."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]  # has no annotations

from ops.assembly import Resource
from tests.infrastructure.synthesis import Synthesised, Synthesiser
from tests.infrastructure.variants import MADE

# What an account, or a region of one, has one of. It may have several trails, and pays for all but one.
SINGLETONS = (
    "AWS::AccessAnalyzer::Analyzer",
    "AWS::CE::AnomalyMonitor",
    "AWS::CloudTrail::Trail",
    "AWS::ECR::ReplicationConfiguration",
    "AWS::ECR::RepositoryCreationTemplate",
    "AWS::GuardDuty::Detector",
    "AWS::IAM::OIDCProvider",
)
# Of something else than the resource; and users of a cache have names of their own within their group.
NOT_ITS_OWN = {
    "CACertificateIdentifier", "DatabaseName", "MetricName", "PolicyName", "ServiceName", "UserName",
}  # fmt: skip
NAMES = ("Name", "Identifier", "UserId", "UserGroupId")


@pytest.fixture(scope="module")
def first(synthesise: Synthesiser) -> Synthesised:
    return synthesise("prod", MADE["create"])


@pytest.fixture(scope="module")
def second(synthesise: Synthesiser) -> Synthesised:
    certificate = synthesise("prod").settings.load_balancer.certificate_arn
    place: dict[str, object] = {"account": "333333333333", "load_balancer.certificate_arn": certificate}
    return synthesise("staging", MADE["existing"] | place)


def test_both_are_in_one_place(first: Synthesised, second: Synthesised) -> None:
    places = {(stack.account, stack.region) for stack in first.assembly.stacks}
    assert places == {(stack.account, stack.region) for stack in second.assembly.stacks}
    made = [{resource.type for resource in each.assembly.resources} for each in (first, second)]
    assert set(SINGLETONS) <= made[0] - made[1]


def identity(platform: Synthesised, resource: Resource) -> str | None:
    """Return what AWS knows a resource by, where the template and not AWS chooses it."""
    if not resource.type.startswith("AWS::"):
        return None
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(platform.settings.region, resource.type).schema
    keys = [pointer.rpartition("/")[2] for pointer in schema.get("primaryIdentifier", ())]
    values = [resource.get(key) for key in keys]
    if not keys or any(value is None or _refers(value) for value in values):
        return None
    region = next(stack.region for stack in platform.assembly.stacks if stack.id == resource.stack)
    return f"{resource.type} {json.dumps(values)} in {region}"


def _refers(value: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether a value names another resource of the same stack, and so is as unique as that."""
    text = json.dumps(value)
    return '"Ref"' in text or '"Fn::GetAtt"' in text


def identities(platform: Synthesised) -> set[str]:
    found = (identity(platform, resource) for resource in platform.assembly.resources)
    return {each for each in found if each is not None}


def test_nothing_is_known_by_the_same_name(first: Synthesised, second: Synthesised) -> None:
    assert len(identities(first)) > 30
    assert identities(first) & identities(second) == set()


def names(platform: Synthesised) -> Iterator[tuple[str, str, str]]:
    """Yield whatever looks like a name, of resources that AWS knows by something else too."""
    for resource in platform.assembly.resources:
        for key, value in resource.properties.items():
            if key.endswith(NAMES) and key not in NOT_ITS_OWN and isinstance(value, str):
                yield resource.type, key, value


def test_nothing_looks_like_the_same_name(first: Synthesised, second: Synthesised) -> None:
    assert set(names(first)) & set(names(second)) == set()


def test_stacks_and_exports_have_names_of_their_own(first: Synthesised, second: Synthesised) -> None:
    for one, other in ((first, second), (second, first)):
        taken = {stack.name for stack in one.assembly.stacks}
        taken |= {name for stack in one.assembly.stacks for name in stack.exports}
        assert not {stack.name for stack in other.assembly.stacks} & taken
        assert not {name for stack in other.assembly.stacks for name in stack.exports} & taken


def test_every_key_may_be_used_for_what_is_of_its_own_environment(
    first: Synthesised, second: Synthesised
) -> None:
    """A pattern of one environment's log groups must not cover those of the other."""
    groups = [group.get("LogGroupName") for group in second.of_type("AWS::Logs::LogGroup")]
    key = first.only("AWS::KMS::Key", path="Keys/Logs")
    policy = json.dumps(key.get("KeyPolicy"))
    assert groups
    assert not [group for group in groups if group in policy]
    assert second.settings.prefix not in policy


@pytest.mark.parametrize(("choice", "made"), [("create", 1), ("existing", 0), ("off", 0)])
def test_singletons_are_made_once_or_not_at_all(synthesise: Synthesiser, choice: str, made: int) -> None:
    platform = synthesise("prod", MADE[choice])
    assert {each: len(platform.of_type(each)) for each in SINGLETONS} == dict.fromkeys(SINGLETONS, made)
