"""Stacks that cannot be created, with what AWS keeps of them, and `./gantry clean-up`."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from ops import clean_up, failed_creations
from ops.aws import Environment
from ops.console import CliError
from ops.failed_creations import StackHistory
from ops.leftovers import KINDS, Region, remove
from stacks.settings import load_settings
from tests.integration.sandbox.emulator import Emulator, template

STACK, NAME, TAKEN = "gantry-dev-data", "gantry-dev", "taken-before"
LEFT = {
    "LeftBucket": "Retain",
    "LeftKey": "Retain",
    "Cluster": "Retain",
    "Writer": "Retain",
    "Table": "Retain",
}
GOES = ("Secret", "LogGroup", "Vault", "Repository", "Key")


def resource(kind: str, policy: str, *after: str, **properties: object) -> dict[str, Any]:
    replacement = policy.removesuffix("ExceptOnCreate")
    return {
        "Type": kind, "DeletionPolicy": policy, "UpdateReplacePolicy": replacement, "DependsOn": list(after),
        "Properties": properties,
    }  # fmt: skip


def retained(**balancer: object) -> dict[str, Any]:
    """Return resources as an environment has them that keeps its data."""
    cluster = {
        "DBClusterIdentifier": NAME, "Engine": "aurora-postgresql", "EngineVersion": "17.9",
        "DatabaseName": "app", "MasterUsername": "master", "ManageMasterUserPassword": True,
        "DeletionProtection": True,
    }  # fmt: skip
    member = {"Engine": "aurora-postgresql", "DBInstanceClass": "db.serverless"}
    key = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
           "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
           "BillingMode": "PAY_PER_REQUEST", "DeletionProtectionEnabled": True}  # fmt: skip
    goes = "RetainExceptOnCreate"
    return {
        "LeftBucket": resource("AWS::S3::Bucket", "Retain"),
        "LeftKey": resource("AWS::KMS::Key", "Retain", KeyPolicy={}),
        "Cluster": resource("AWS::RDS::DBCluster", "Retain", **cluster),
        "Writer": resource(
            "AWS::RDS::DBInstance", "Retain", DBClusterIdentifier={"Ref": "Cluster"}, **member
        ),
        "Table": resource("AWS::DynamoDB::Table", "Retain", **key),
        "Secret": resource("AWS::SecretsManager::Secret", goes, Name="gantry/dev/database"),
        "LogGroup": resource("AWS::Logs::LogGroup", goes, LogGroupName="/gantry/dev/service"),
        "Vault": resource("AWS::Backup::BackupVault", goes, BackupVaultName=NAME),
        "Repository": resource("AWS::ECR::Repository", goes, RepositoryName="gantry/dev"),
        "Key": resource("AWS::KMS::Key", goes, KeyPolicy={}),
        "Balancer": resource("AWS::ElasticLoadBalancingV2::LoadBalancer", "Delete", Name=NAME, **balancer),
    }


def without_database() -> dict[str, Any]:
    """Return those of them that are created at once."""
    return {name: each for name, each in retained().items() if name not in {"Cluster", "Writer"}}


def broken(resources: dict[str, Any]) -> dict[str, Any]:
    """Add what cannot be created, when all the rest is there."""
    taken = {"LogGroupName": TAKEN}
    last = {"Type": "AWS::Logs::LogGroup", "Properties": taken, "DependsOn": list(resources)}
    return resources | {"Broken": last}


@pytest.fixture
def dev(emulator: Emulator) -> Iterator[Environment]:
    """An environment without a stack, in an account in which a log group's name is taken."""
    emulator.client("logs").create_log_group(logGroupName=TAKEN)
    variables = emulator.sandbox.environment()
    session = boto3.Session(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
    environment = Environment(load_settings("dev", environ={}), session, variables["AWS_ENDPOINT_URL"])
    yield environment
    emulator.client("logs").delete_log_group(logGroupName=TAKEN)
    stacks = emulator.client("cloudformation").list_stacks()["StackSummaries"]
    if (STACK, "DELETE_COMPLETE") not in {(each["StackName"], each["StackStatus"]) for each in stacks}:
        destroy(emulator, Region("us-east-1", session, variables["AWS_ENDPOINT_URL"]))


def destroy(emulator: Emulator, region: Region) -> None:
    """Remove a stack with all that it retains."""
    client = emulator.client("cloudformation")
    resources = client.describe_stack_resources(StackName=STACK)["StackResources"]
    client.update_termination_protection(StackName=STACK, EnableTerminationProtection=False)
    emulator.delete(STACK)
    for each in reversed(resources):
        if each["ResourceType"] in KINDS:
            remove(region, each["ResourceType"], each["PhysicalResourceId"])


def create(emulator: Emulator, resources: dict[str, Any], *, protected: bool = True) -> str:
    emulator.client("cloudformation").create_stack(
        StackName=STACK, TemplateBody=json.dumps(template(resources)), EnableTerminationProtection=protected
    )
    return emulator.stable_status(STACK)


def failed(environment: Environment) -> StackHistory:
    (found,) = failed_creations.find(environment)
    return found


def statuses(creation: StackHistory) -> dict[str, str]:
    return {event["LogicalResourceId"]: event["ResourceStatus"] for event in creation.events}


def test_failed_creation_keeps_what_is_protected_and_is_cleaned_up(
    emulator: Emulator, dev: Environment
) -> None:
    assert create(emulator, broken(retained())) == "ROLLBACK_COMPLETE"
    creation = failed(dev)
    after = statuses(creation)
    assert {name: after[name] for name in LEFT} == dict.fromkeys(LEFT, "DELETE_SKIPPED")
    assert {name: after[name] for name in GOES} == dict.fromkeys(GOES, "DELETE_COMPLETE")
    bucket = next(
        each.physical_id for each in creation.leftovers() if each.resource_type == "AWS::S3::Bucket"
    )
    emulator.client("s3").put_object(Bucket=bucket, Key="access.log", Body=b"GET /")
    emulator.client("logs").create_log_group(logGroupName=f"/aws/rds/cluster/{NAME}/postgresql")

    clean_up._clean_up(dev, yes=True)
    assert failed_creations.find(dev)[0].leftovers() == []
    assert emulator.stack(creation.stack_id)["StackStatus"] == "DELETE_COMPLETE"
    assert not list((emulator.state_dir / "postgres").glob(f"*{NAME}"))
    assert emulator.client("dynamodb").list_tables()["TableNames"] == []
    groups = emulator.client("logs").describe_log_groups(logGroupNamePrefix="/aws/rds/cluster/")
    assert groups["logGroups"] == []
    clean_up._clean_up(dev, yes=True)


def test_creation_without_rollback_is_cleaned_up(emulator: Emulator, dev: Environment) -> None:
    emulator.client("cloudformation").create_stack(
        StackName=STACK, TemplateBody=json.dumps(template(broken(without_database()))), OnFailure="DO_NOTHING"
    )
    assert emulator.stable_status(STACK) == "CREATE_FAILED"
    clean_up._clean_up(dev, yes=True)
    assert failed_creations.find(dev)[0].leftovers() == []


def test_leftovers_of_a_failed_stack_that_was_deleted_by_hand_are_removed(
    emulator: Emulator, dev: Environment
) -> None:
    table = {"Table": retained()["Table"]}
    assert create(emulator, broken(table), protected=False) == "ROLLBACK_COMPLETE"
    emulator.delete(failed(dev).stack_id)
    assert failed(dev).leftovers()
    clean_up._clean_up(dev, yes=True)
    assert failed(dev).leftovers() == []


def test_leftovers_of_a_destroyed_environment_are_removed(emulator: Emulator, dev: Environment) -> None:
    resources = {name: each for name, each in without_database().items() if name not in GOES}
    assert create(emulator, resources, protected=False) == "CREATE_COMPLETE", emulator.failures(STACK)
    with pytest.raises(CliError, match=f"{STACK} is CREATE_COMPLETE"):
        clean_up._remove_leftovers(dev, yes=True)
    emulator.delete(STACK)
    assert emulator.client("dynamodb").list_tables()["TableNames"]
    clean_up._remove_leftovers(dev, yes=True)
    assert emulator.client("dynamodb").list_tables()["TableNames"] == []
    assert not any(stack.leftovers() for stack in failed_creations.destroyed(dev))


def test_protected_load_balancer_fails_the_rollback_and_is_named(
    emulator: Emulator, dev: Environment
) -> None:
    """Why the setting that protects it also has CloudFormation leave it alone."""
    protection = {"Key": "deletion_protection.enabled", "Value": "true"}
    balancer = {"Balancer": retained(LoadBalancerAttributes=[protection])["Balancer"]}
    assert create(emulator, broken(balancer)) == "ROLLBACK_FAILED"
    assert "deletion protection is enabled" in emulator.failures(STACK)
    clean_up._clean_up(dev, yes=True)
    assert emulator.client("elbv2").describe_load_balancers()["LoadBalancers"] == []


def test_clean_up_leaves_a_stack_alone_that_was_created(emulator: Emulator, dev: Environment) -> None:
    """After all the failures before, under the same names."""
    resources = without_database()
    assert create(emulator, resources) == "CREATE_COMPLETE", emulator.failures(STACK)
    clean_up._clean_up(dev, yes=True)
    assert emulator.stack(STACK)["StackStatus"] == "CREATE_COMPLETE"
    (table,) = emulator.client("dynamodb").list_tables()["TableNames"]
    assert emulator.client("dynamodb").describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"]
    with pytest.raises(Exception, match="TerminationProtection is enabled"):
        emulator.client("cloudformation").delete_stack(StackName=STACK)
    second = {name: each for name, each in resources.items() if name in GOES}
    emulator.client("cloudformation").create_stack(
        StackName="second", TemplateBody=json.dumps(template(second))
    )
    assert emulator.stable_status("second") == "ROLLBACK_COMPLETE"
    assert "already exists" in emulator.failures("second")
    emulator.delete("second")
