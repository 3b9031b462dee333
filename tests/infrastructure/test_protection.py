"""What survives a deletion, and what keeps its identity permanently."""

from pathlib import Path

from contract.stack_policy import IRREPLACEABLE, STATEFUL
from stacks.settings import LAYERS
from tests.infrastructure.synthesis import (
    ENVIRONMENTS,
    LEFT_BEHIND,
    Synthesised,
    Synthesiser,
)

IDENTITIES = Path(__file__).parent / "stateful_resources.txt"


def resources(platform: Synthesised) -> dict[str, dict[str, str]]:
    return {
        f"{layer} {resource['Type']} {logical_id}": resource
        for layer in (stack.layer for stack in platform.assembly.stacks)
        for logical_id, resource in platform.template(layer)["Resources"].items()
    }


def stateful(platform: Synthesised) -> dict[str, dict[str, str]]:
    found = resources(platform)
    return {identity: each for identity, each in found.items() if each["Type"] in STATEFUL}


def test_stateful_resources_keep_their_logical_ids(synthesise: Synthesiser) -> None:
    """Another logical id is another resource: an empty database next to the full one."""
    found = {
        identity
        for environment in ENVIRONMENTS
        for identity, each in resources(synthesise(environment)).items()
        if each["Type"] in STATEFUL | IRREPLACEABLE or each["Type"].startswith("Custom::")
    }
    assert sorted(found) == IDENTITIES.read_text().splitlines(), (
        "a resource that holds data was added, or lost its identity: write it into stateful_resources.txt "
        "only if it is new"
    )


def test_whatever_outlives_its_stack_is_known_to_hold_data(platform: Synthesised) -> None:
    kept = {
        each["Type"] for each in resources(platform).values() if "Retain" in each.get("DeletionPolicy", "")
    }
    assert kept <= STATEFUL | LEFT_BEHIND, "add the type to STATEFUL in contract/stack_policy.py"


def test_data_outlives_its_stack_where_it_is_kept(platform: Synthesised) -> None:
    expected = "Retain" if platform.settings.keeps_data else "Delete"
    for identity, resource in stateful(platform).items():
        deletion = resource["DeletionPolicy"].removesuffix("ExceptOnCreate")
        assert (deletion, resource.get("UpdateReplacePolicy")) == (expected, expected), identity


def test_prod_and_staging_keep_data_and_the_others_do_not(synthesise: Synthesiser) -> None:
    assert {name: synthesise(name).settings.keeps_data for name in ENVIRONMENTS} == {
        "dev": False,
        "prod": True,
        "prod-standby": True,
        "sandbox": False,
        "staging": True,
    }


def test_deletion_is_refused_where_data_is_kept(platform: Synthesised) -> None:
    kept = platform.settings.keeps_data
    assert platform.only("AWS::RDS::DBCluster").get("DeletionProtection") is kept
    assert platform.only("AWS::DynamoDB::Table").get("DeletionProtectionEnabled", default=False) is kept


def test_stacks_are_protected_where_data_is_kept(platform: Synthesised) -> None:
    for layer in LAYERS:
        assert platform.protected(layer) is platform.settings.keeps_data


def test_images_are_deleted_with_their_repository_only_where_data_is_not_kept(platform: Synthesised) -> None:
    repository = platform.only("AWS::ECR::Repository")
    assert repository.get("EmptyOnDelete", default=False) is not platform.settings.keeps_data


def test_load_balancer_is_protected_as_set(platform: Synthesised) -> None:
    balancer = platform.only("AWS::ElasticLoadBalancingV2::LoadBalancer")
    attributes = {each["Key"]: each["Value"] for each in balancer.get("LoadBalancerAttributes")}
    expected = str(platform.settings.load_balancer.deletion_protection).lower()
    assert attributes["deletion_protection.enabled"] == expected


def test_database_survives_the_loss_of_a_zone_in_prod(prod: Synthesised) -> None:
    assert len(prod.of_type("AWS::RDS::DBInstance")) >= 2
    assert len(prod.only("AWS::RDS::DBSubnetGroup").get("SubnetIds")) == 3


def test_database_can_be_restored_to_any_second_of_five_weeks_in_prod(prod: Synthesised) -> None:
    cluster = prod.only("AWS::RDS::DBCluster")
    assert cluster.get("BackupRetentionPeriod") == 35
    assert cluster.get("CopyTagsToSnapshot") is True


def test_ledger_can_be_restored_and_forgets_nothing(platform: Synthesised) -> None:
    ledger = platform.only("AWS::DynamoDB::Table")
    recovery = ledger.get("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled")
    assert recovery is True
    # The number of the lock would start over when its item expired.
    assert ledger.get("TimeToLiveSpecification") is None


def test_change_that_would_replace_the_database_fails_on_its_name(platform: Synthesised) -> None:
    """CloudFormation makes the new one first, and a name can be taken only once."""
    assert platform.only("AWS::RDS::DBCluster").get("DBClusterIdentifier") == platform.settings.full_name
