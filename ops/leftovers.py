"""What a stack can leave behind, by resource type: how it is found and deleted, and what is lost with it."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ops.console import CliError

UNDATED = datetime.min.replace(tzinfo=UTC)
"""The time of creation of what AWS does not date; its name has a suffix that CloudFormation generated."""

_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard"})
# An Aurora instance and its cluster take ten to twenty minutes each.
_LONGEST_REMOVAL = timedelta(minutes=40)
_LONGEST_PAUSE_SECONDS = 10.0
_ABSENT = ("NotFound", "NoSuch", "404")
# What AWS answers while something else has to end first: a creation, a change, the deletion of what uses it.
_BUSY = frozenset(
    {
        "InvalidDBClusterStateFault",
        "InvalidDBInstanceState",
        "InvalidDBInstanceStateFault",
        "InvalidDBParameterGroupState",
        "InvalidDBSubnetGroupStateFault",
        "InvalidServerlessCacheStateFault",
        "InvalidUserGroupState",
        "InvalidUserState",
        "OperationAborted",
        "ResourceInUse",
        "ResourceInUseException",
    }
)
Client = Any
"""A boto3 client of the service that a kind names."""


@dataclass(frozen=True)
class Region:
    """A region of an account, or of the sandbox."""

    name: str
    session: boto3.Session
    endpoint_url: str | None

    def client(self, service: str) -> Client:
        """Return a client of a service."""
        return self.session.client(
            service,  # type: ignore[call-overload]
            region_name=self.name,
            endpoint_url=self.endpoint_url,
            config=_CONFIG,
        )


@dataclass(frozen=True)
class Kind:
    """How resources of one type are found and deleted.

    Attributes
    ----------
    service
        What boto3 calls the service.
    created
        Takes a client and a physical id; returns the time of creation, None (or an error that says so) when
        there is no such resource.
    delete
        Takes the same, and begins the deletion, deletion protection or not; may be called again.
    loss
        What is lost with the resource.
    """

    service: str
    created: Callable[[Client, str], datetime | None]
    delete: Callable[[Client, str], object]
    loss: str


def created(region: Region, resource_type: str, physical_id: str) -> datetime | None:
    """Return when a resource was created, None when it does not exist (any more)."""
    kind = KINDS[resource_type]
    try:
        return kind.created(region.client(kind.service), physical_id)
    except ClientError as error:
        if any(word in error.response["Error"]["Code"] for word in _ABSENT):
            return None
        raise


def remove(region: Region, resource_type: str, physical_id: str) -> None:
    """Delete a resource, and wait until it is gone.

    Raises
    ------
    CliError
        When AWS still refuses to delete it after 40 minutes.
    """
    kind, refusal = KINDS[resource_type], ""
    client, deadline = region.client(kind.service), datetime.now(UTC) + _LONGEST_REMOVAL
    for _ in growing_pauses():
        if created(region, resource_type, physical_id) is None:
            return
        if datetime.now(UTC) > deadline:
            raise CliError(f"{resource_type} {physical_id} is not deleted yet. {refusal}".strip())
        try:
            kind.delete(client, physical_id)
        except ClientError as error:
            code, refusal = error.response["Error"]["Code"], str(error)
            if code not in _BUSY and not any(word in code for word in _ABSENT):
                raise


def growing_pauses() -> Iterator[None]:
    """Yield at once, and then again and again after longer and longer pauses, of ten seconds in the end."""
    pause = 0.1
    while True:
        yield
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def log_groups(region: Region, prefix: str) -> list[str]:
    """Return the names of the log groups below a prefix, or of the one that has it as its name."""
    pages = region.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    names = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    return [name for name in names if name == prefix or prefix.endswith("/")]


def _first(response: Mapping[str, Any], listed: str, time_created: str) -> datetime:
    """Return when the first of the resources in a response was created."""
    found: datetime = response[listed][0].get(time_created, UNDATED)
    return found


def _log_group_created(client: Client, name: str) -> datetime | None:
    for page in client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name):
        for group in page["logGroups"]:
            if group["logGroupName"] == name:
                return datetime.fromtimestamp(group["creationTime"] / 1000, UTC)
    return None


def _vault_created(client: Client, name: str) -> datetime | None:
    # DescribeBackupVault answers AccessDenied for one that does not exist.
    for page in client.get_paginator("list_backup_vaults").paginate():
        for vault in page["BackupVaultList"]:
            if vault["BackupVaultName"] == name:
                found: datetime = vault["CreationDate"]
                return found
    return None


def _bucket_created(client: Client, name: str) -> datetime | None:
    buckets = client.list_buckets(Prefix=name)["Buckets"]
    return next((each["CreationDate"] for each in buckets if each["Name"] == name), None)


def _key_created(client: Client, key: str) -> datetime | None:
    found = client.describe_key(KeyId=key)["KeyMetadata"]
    pending: datetime | None = None if found["KeyState"] == "PendingDeletion" else found["CreationDate"]
    return pending


def _delete_cluster(client: Client, name: str) -> None:
    client.modify_db_cluster(DBClusterIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
    client.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)


def _delete_table(client: Client, name: str) -> None:
    if client.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled"):
        client.update_table(TableName=name, DeletionProtectionEnabled=False)
        client.get_waiter("table_exists").wait(TableName=name)
    client.delete_table(TableName=name)


def _delete_bucket(client: Client, name: str) -> None:
    for page in client.get_paginator("list_object_versions").paginate(Bucket=name):
        versions = [
            {"Key": each["Key"], "VersionId": each["VersionId"]}
            for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        ]
        if versions:
            client.delete_objects(Bucket=name, Delete={"Objects": versions, "Quiet": True})
    client.delete_bucket(Bucket=name)


def _delete_load_balancer(client: Client, arn: str) -> None:
    unprotected = [{"Key": "deletion_protection.enabled", "Value": "false"}]
    client.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=unprotected)
    client.delete_load_balancer(LoadBalancerArn=arn)


KINDS: Mapping[str, Kind] = {
    "AWS::Backup::BackupVault": Kind(
        "backup",
        _vault_created,
        lambda client, name: client.delete_backup_vault(BackupVaultName=name),
        "an empty vault",
    ),
    "AWS::DynamoDB::Table": Kind(
        "dynamodb",
        lambda client, name: client.describe_table(TableName=name)["Table"]["CreationDateTime"],
        _delete_table,
        "the table with its items and its backups of the last 35 days",
    ),
    "AWS::ECR::Repository": Kind(
        "ecr",
        lambda client, name: _first(
            client.describe_repositories(repositoryNames=[name]), "repositories", "createdAt"
        ),
        lambda client, name: client.delete_repository(repositoryName=name, force=True),
        "the repository with its images",
    ),
    "AWS::ElastiCache::ServerlessCache": Kind(
        "elasticache",
        lambda client, name: _first(
            client.describe_serverless_caches(ServerlessCacheName=name), "ServerlessCaches", "CreateTime"
        ),
        lambda client, name: client.delete_serverless_cache(ServerlessCacheName=name),
        "the cache with its data",
    ),
    "AWS::ElastiCache::UserGroup": Kind(
        "elasticache",
        lambda client, name: client.describe_user_groups(UserGroupId=name) and UNDATED,
        lambda client, name: client.delete_user_group(UserGroupId=name),
        "nothing",
    ),
    "Custom::CacheUser": Kind(
        "elasticache",
        lambda client, name: client.describe_users(UserId=name) and UNDATED,
        lambda client, name: client.delete_user(UserId=name),
        "nothing: the password is the secret's",
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Kind(
        "elbv2",
        lambda client, arn: _first(
            client.describe_load_balancers(LoadBalancerArns=[arn]), "LoadBalancers", "CreatedTime"
        ),
        _delete_load_balancer,
        "the load balancer and its DNS name",
    ),
    "AWS::KMS::Key": Kind(
        "kms",
        _key_created,
        lambda client, key: client.schedule_key_deletion(KeyId=key, PendingWindowInDays=30),
        "the key, in thirty days, and what is still encrypted with it: snapshots and recovery points, too",
    ),
    "AWS::Logs::LogGroup": Kind(
        "logs",
        _log_group_created,
        lambda client, name: client.delete_log_group(logGroupName=name),
        "its log events",
    ),
    "AWS::RDS::DBCluster": Kind(
        "rds",
        lambda client, name: _first(
            client.describe_db_clusters(DBClusterIdentifier=name), "DBClusters", "ClusterCreateTime"
        ),
        _delete_cluster,
        "the database and its automated backups, without a final snapshot",
    ),
    "AWS::RDS::DBClusterParameterGroup": Kind(
        "rds",
        lambda client, name: (
            client.describe_db_cluster_parameter_groups(DBClusterParameterGroupName=name) and UNDATED
        ),
        lambda client, name: client.delete_db_cluster_parameter_group(DBClusterParameterGroupName=name),
        "nothing",
    ),
    "AWS::RDS::DBInstance": Kind(
        "rds",
        # It has no time until it is available.
        lambda client, name: _first(
            client.describe_db_instances(DBInstanceIdentifier=name), "DBInstances", "InstanceCreateTime"
        ),
        lambda client, name: client.delete_db_instance(DBInstanceIdentifier=name),
        "nothing: the data is the cluster's",
    ),
    "AWS::RDS::DBSubnetGroup": Kind(
        "rds",
        lambda client, name: client.describe_db_subnet_groups(DBSubnetGroupName=name) and UNDATED,
        lambda client, name: client.delete_db_subnet_group(DBSubnetGroupName=name),
        "nothing",
    ),
    "AWS::S3::Bucket": Kind("s3", _bucket_created, _delete_bucket, "the bucket with all versions in it"),
    "AWS::SecretsManager::Secret": Kind(
        "secretsmanager",
        # Also of one that is scheduled for deletion, which keeps its name.
        lambda client, arn: client.describe_secret(SecretId=arn)["CreatedDate"],
        lambda client, arn: client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True),
        "the secret's value, without a recovery window",
    ),
}
