"""A cluster that is made with no more than it needs is protected."""

from typing import Any

import pytest
from aws_cdk import Duration, RemovalPolicy
from aws_cdk.assertions import Template

from gantry.database.aurora import AuroraPostgres
from tests.unit.constructs.conftest import Parts

CLUSTER = "AWS::RDS::DBCluster"


def make(parts: Parts, **options: Any) -> AuroraPostgres:  # noqa: ANN401 - any argument
    return AuroraPostgres(
        parts.stack,
        "Database",
        name="t",
        vpc=parts.vpc,
        security_group=parts.security_group,
        key=parts.key,
        secrets_key=parts.key,
        engine_version="17.9",
        min_capacity=0.5,
        max_capacity=2,
        backup_retention=Duration.days(7),
        log_defaults=parts.log_defaults,
        **options,
    )


def test_neither_the_stack_nor_a_call_deletes_it(parts: Parts) -> None:
    make(parts)
    cluster = parts.one(CLUSTER)
    assert cluster["Properties"]["DeletionProtection"] is True
    assert (cluster["DeletionPolicy"], cluster["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert parts.one("AWS::RDS::DBSubnetGroup")["DeletionPolicy"] == "Retain"


def test_its_log_has_its_key_before_rds_would_make_the_group(parts: Parts) -> None:
    make(parts)
    log_group = parts.one("AWS::Logs::LogGroup")["Properties"]
    assert log_group["LogGroupName"] == "/aws/rds/cluster/t/postgresql"
    assert log_group["KmsKeyId"] == parts.key.key_arn
    assert any(each.startswith("DatabaseLogGroup") for each in parts.one(CLUSTER)["DependsOn"])


@pytest.mark.parametrize("readers", [0, 2])
def test_the_first_reader_takes_over_from_the_writer(parts: Parts, readers: int) -> None:
    make(parts, readers=readers)
    instances = Template.from_stack(parts.stack).find_resources("AWS::RDS::DBInstance").values()
    tiers = sorted(each["Properties"]["PromotionTier"] for each in instances)
    assert tiers == [0, 1, 2][: 1 + readers]


def test_what_a_snapshot_brings_is_not_said_again(parts: Parts) -> None:
    snapshot = "arn:aws:rds:eu-west-1:111122223333:cluster-snapshot:s"
    make(parts, snapshot=snapshot, removal_policy=RemovalPolicy.DESTROY, deletion_protection=False)
    cluster = parts.one(CLUSTER)["Properties"]
    assert cluster["SnapshotIdentifier"] == snapshot
    assert not {"DatabaseName", "MasterUsername", "StorageEncrypted"} & set(cluster)
    assert cluster["DeletionProtection"] is False
