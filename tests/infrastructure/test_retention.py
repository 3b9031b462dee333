"""A first deployment that fails cleans up by itself as far as AWS lets it, and its rollback never fails."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ops import failed_creations, leftovers
from ops.assembly import Resource
from tests.infrastructure.synthesis import ENVIRONMENTS, Synthesised, Synthesiser
from tests.infrastructure.variants import SWITCHED_ON

# What CloudFormation leaves alone even when the creation is rolled back, and why it could not delete it.
LEFT_ALONE = {
    "AWS::DynamoDB::Table": "protected from deletion",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "protected from deletion, where a setting asks for that",
    "AWS::RDS::DBCluster": "protected from deletion",
    "AWS::RDS::DBClusterParameterGroup": "the cluster uses it",
    "AWS::RDS::DBInstance": "the cluster's",
    "AWS::RDS::DBSubnetGroup": "the cluster uses it",
    "AWS::S3::Bucket": "S3 may have delivered the access log of another bucket into it",
    "AWS::KMS::Key": "the table uses it",
}
LEFT_ALONE_OF_SEVERAL = {"DeliveryBucketA9AE6474", "KeysDataA2F7C5E6"}
# No resource of AWS, but calls of a function, whose Delete is never sent: test_custom_resources.py.
CALLS = {"Custom::VpcRestrictDefaultSG"}
# What may be deleted while something uses it.
NOT_HELD = {"AWS::IAM::Role", "AWS::Lambda::Function"}
# What writes into a bucket of its own stack while that stack is created.
WRITERS = {"AWS::CodePipeline::Pipeline", "AWS::S3::Bucket", "AWS::ElasticLoadBalancingV2::LoadBalancer"}
PROTECTED: tuple[tuple[str, dict[str, object]], ...] = (
    ("prod", {"load_balancer.deletion_protection": True}),
)
VARIANTS = (*((name, {}) for name in ENVIRONMENTS), *SWITCHED_ON, *PROTECTED)


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join([variant[0], *list(variant[1])[:1]]))
def variant(request: pytest.FixtureRequest, synthesise: Synthesiser) -> Synthesised:
    return synthesise(*request.param)


def policies(platform: Synthesised) -> dict[tuple[str, str], tuple[str, str]]:
    """Return deletion and replacement policy of each resource, by stack and logical id."""
    return {
        (stack.id, logical_id): (
            each.get("DeletionPolicy", "Delete"),
            each.get("UpdateReplacePolicy", "Delete"),
        )
        for stack in platform.assembly.stacks
        for logical_id, each in platform.template(stack.layer)["Resources"].items()
        if each["Type"] not in CALLS
    }


def of_policy(platform: Synthesised, *policy: str) -> list[Resource]:
    """Return the resources with one of some deletion policies."""
    found = {identity for identity, (deletion, _) in policies(platform).items() if deletion in policy}
    return [each for each in platform.assembly.resources if (each.stack, each.logical_id) in found]


def left_alone(platform: Synthesised) -> list[Resource]:
    return of_policy(platform, "Retain")


def protections(value: Any) -> Iterator[bool]:  # noqa: ANN401 - JSON
    """Yield each deletion protection among properties, and whether it is on."""
    if isinstance(value, Mapping):
        if value.get("Key") == "deletion_protection.enabled":
            yield value["Value"] == "true"
        for key, inner in value.items():
            if key.startswith("DeletionProtection"):
                yield inner is True
            yield from protections(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from protections(inner)


def test_what_outlives_its_stack_goes_with_a_failed_creation(variant: Synthesised) -> None:
    kept = {policy for policy in policies(variant).values() if policy != ("Delete", "Delete")}
    assert kept <= {("RetainExceptOnCreate", "Retain"), ("Retain", "Retain")}
    assert bool(kept) is variant.settings.keeps_data


def test_only_what_cannot_be_deleted_is_left_alone(variant: Synthesised) -> None:
    for resource in left_alone(variant):
        assert resource.type in LEFT_ALONE, resource.path
        if resource.type in {"AWS::KMS::Key", "AWS::S3::Bucket"}:
            assert resource.logical_id in LEFT_ALONE_OF_SEVERAL, resource.path


def test_protected_resources_are_left_alone(variant: Synthesised) -> None:
    alone = left_alone(variant)
    protected = [each for each in variant.assembly.resources if any(protections(each.properties))]
    assert [each.path for each in protected if each not in alone] == []
    assert bool(protected) is variant.settings.keeps_data


def uses_of_what_goes(platform: Synthesised, stay: list[Resource]) -> set[str]:
    """Return what resources that stay use of those of their stack that go."""
    return {
        f"{resource.path} uses {each.path}"
        for resource in stay
        for each in platform.assembly.referents(resource)
        if each.stack == resource.stack and each not in stay and each.type not in NOT_HELD
    }


def test_what_is_left_alone_uses_nothing_that_goes(variant: Synthesised) -> None:
    assert uses_of_what_goes(variant, left_alone(variant)) == set()


def test_what_outlives_its_stack_uses_nothing_that_goes(variant: Synthesised) -> None:
    """A cache whose users go with the stack is one that no one can log in to."""
    outlives = of_policy(variant, "Retain", "RetainExceptOnCreate")
    assert uses_of_what_goes(variant, outlives) == set()


def test_bucket_that_is_written_to_meanwhile_is_emptied_or_left_alone(variant: Synthesised) -> None:
    alone = left_alone(variant)
    for bucket in variant.of_type("AWS::S3::Bucket"):
        users = {each.type for each in variant.assembly.referrers(bucket) if each.stack == bucket.stack}
        if users & WRITERS:
            assert bucket in alone or "Custom::S3AutoDeleteObjects" in users, bucket.path


def test_lock_of_a_vault_can_be_taken_back(variant: Synthesised) -> None:
    for vault in variant.of_type("AWS::Backup::BackupVault"):
        assert vault.get("LockConfiguration", "ChangeableForDays", default=3) >= 3


def test_clean_up_knows_what_may_be_left(variant: Synthesised) -> None:
    found = {identity for identity, (deletion, _) in policies(variant).items() if "Retain" in deletion}
    kept = {each.type for each in variant.assembly.resources if (each.stack, each.logical_id) in found}
    assert kept <= leftovers.KINDS.keys()
    names = {variant.settings.stack_name(layer) for layer in failed_creations.STACKS}
    assert {stack.name for stack in variant.assembly.stacks} <= names


def test_every_reason_is_needed(synthesise: Synthesiser) -> None:
    found = left_alone(synthesise(*PROTECTED[0]))
    assert {each.type for each in found} == LEFT_ALONE.keys()
    assert {each.logical_id for each in found} >= LEFT_ALONE_OF_SEVERAL
