"""The second region: prod is deployed there under names of its own, and begins as a copy of the database."""

import json

from ops.assembly import Resource
from tests.infrastructure.synthesis import Synthesised, Synthesiser

SNAPSHOT = "arn:aws:rds:us-west-2:333333333333:cluster-snapshot:awsbackup:copyjob-1"
# What an account has one namespace of, whatever the region.
GLOBAL_NAMES = {
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::OIDCProvider": "Url",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::S3::Bucket": "BucketName",
}
REGIONAL_NAMES = {"AWS::Backup::BackupVault": "BackupVaultName", "AWS::KMS::Alias": "AliasName"}


def names(platform: Synthesised, of: dict[str, str], region: str | None = None) -> set[tuple[str, str]]:
    inside = {stack.id for stack in platform.assembly.stacks if region in (None, stack.region)}
    return {
        (resource.type, json.dumps(resource.get(of[resource.type])))
        for resource in platform.assembly.resources
        if resource.type in of and resource.stack in inside and resource.get(of[resource.type])
    }


def test_names_of_both_regions_differ(synthesise: Synthesiser) -> None:
    prod, standby = synthesise("prod"), synthesise("prod-standby")
    stacks = [stack.name for platform in (prod, standby) for stack in platform.assembly.stacks]
    assert len(set(stacks)) == len(stacks)
    assert not names(prod, GLOBAL_NAMES) & names(standby, GLOBAL_NAMES)
    here = standby.settings.region
    copies = names(prod, REGIONAL_NAMES, here)
    assert copies
    assert not copies & names(standby, REGIONAL_NAMES, here)


def test_standby_is_where_the_copies_are(synthesise: Synthesiser) -> None:
    prod, standby = synthesise("prod").settings, synthesise("prod-standby").settings
    assert (standby.account, standby.region) == (prod.account, prod.recovery.region)


def test_standby_deploys_without_the_region_that_is_lost(synthesise: Synthesiser) -> None:
    assert {stack.region for stack in synthesise("prod-standby").assembly.stacks} == {"us-west-2"}
    assert "us-east-1" not in json.dumps(
        [r.properties for r in synthesise("prod-standby").assembly.resources]
    )


def test_restored_cluster_inherits_what_the_snapshot_holds(synthesise: Synthesiser) -> None:
    cluster = synthesise("prod-standby", {"aurora.restore_from_snapshot": SNAPSHOT}).only(
        "AWS::RDS::DBCluster"
    )
    assert cluster.get("SnapshotIdentifier") == SNAPSHOT
    assert not {"DatabaseName", "MasterUsername", "MasterUserPassword", "StorageEncrypted"} & set(
        cluster.properties
    )


def test_restored_cluster_gets_a_password_and_a_key_of_its_own(synthesise: Synthesiser) -> None:
    cluster = synthesise("prod-standby", {"aurora.restore_from_snapshot": SNAPSHOT}).only(
        "AWS::RDS::DBCluster"
    )
    assert cluster.get("ManageMasterUserPassword") is True
    assert cluster.get("MasterUserSecret", "KmsKeyId")
    assert cluster.get("KmsKeyId")


def test_restoring_changes_nothing_but_the_cluster(synthesise: Synthesiser) -> None:
    empty = resources(synthesise("prod-standby"))
    restored = resources(synthesise("prod-standby", {"aurora.restore_from_snapshot": SNAPSHOT}))
    assert set(empty) == set(restored)
    changed = {restored[key].type for key in empty if empty[key].properties != restored[key].properties}
    assert changed == {"AWS::RDS::DBCluster"}


def resources(platform: Synthesised) -> dict[tuple[str, str], Resource]:
    return {(resource.stack, resource.logical_id): resource for resource in platform.assembly.resources}
