"""The clusters that restore tests make, and what it takes to examine them."""

from collections.abc import Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from gantry.nag import acknowledge

# AWS Backup chooses the names so, and removes nothing else.
RESTORED_CLUSTERS = "awsbackup-restore-test*"
# What Secrets Manager says of a secret when it tries its key before it makes one
# ("Secret encryption and decryption in AWS Secrets Manager").
_VALIDATION = "RequestToValidateKeyAccess"


def database_arn(scope: Construct, resource: str, name: str) -> str:
    """Return the ARN of something that RDS keeps in the region of a construct's stack."""
    return Stack.of(scope).format_arn(
        service="rds", resource=resource, resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )


def removal_statement(scope: Construct, clusters: Sequence[str]) -> iam.PolicyStatement:
    """Return what it takes to remove clusters: RDS asks for the right to a last snapshot, wanted or not.

    The service authorization reference of Amazon RDS requires both resources of `DeleteDBCluster`.
    """
    return iam.PolicyStatement(actions=["rds:DeleteDBCluster"], resources=[*clusters, last_snapshots(scope)])


def last_snapshots(scope: Construct) -> str:
    """Return the ARN of the snapshots that removing a cluster may make; no name is given to any."""
    return database_arn(scope, "cluster-snapshot", "*")


def examination_statements(
    scope: Construct, *, subnet_group: str, key: kms.IKey, secrets_key: kms.IKey
) -> list[iam.PolicyStatement]:
    """Return what it takes to add an instance to a restored cluster, log in to it, and remove both again.

    Parameters
    ----------
    scope
        Any construct of the stack.
    subnet_group
        Name of the restored clusters' subnet group.
    key, secrets_key
        Encrypt the clusters, and the secrets of their master users; imported by ARN.
    """
    return [
        *_database_statements(scope, subnet_group, key),
        *_secret_statements(scope, secrets_key),
    ]


def acknowledge_restored_names(role: iam.Role) -> None:
    """Record why the role of `examination_statements` names by pattern."""
    acknowledge(
        role,
        "AWS Backup names the clusters of restore tests at random after a prefix of its own, and RDS names "
        "the secret of a master user; the secret is read only when its tag names such a cluster. The last "
        "snapshot of a cluster has no name where none is made, and AWS's own key has an id of AWS's choice.",
        *(
            f"AwsSolutions-IAM5[Resource::{arn}]"
            for arn in (
                database_arn(role, "cluster", RESTORED_CLUSTERS),
                database_arn(role, "db", RESTORED_CLUSTERS),
                last_snapshots(role),
                _master_secrets(role),
                _any_key(role),
            )
        ),
    )


def _database_statements(scope: Construct, subnet_group: str, key: kms.IKey) -> list[iam.PolicyStatement]:
    cluster = database_arn(scope, "cluster", RESTORED_CLUSTERS)
    instance = database_arn(scope, "db", RESTORED_CLUSTERS)
    return [
        iam.PolicyStatement(
            actions=["rds:DescribeDBClusters", "rds:ModifyDBCluster"],
            resources=[cluster],
        ),
        removal_statement(scope, [cluster]),
        iam.PolicyStatement(
            actions=["rds:DeleteDBInstance", "rds:DescribeDBInstances"], resources=[instance]
        ),
        iam.PolicyStatement(
            actions=["rds:CreateDBInstance"],
            resources=[
                cluster,
                instance,
                database_arn(scope, "subgrp", subnet_group),
                database_arn(scope, "pg", "default.aurora-postgresql17"),
                database_arn(scope, "og", "default:aurora-postgresql-17"),
            ],
        ),
        # RDS attaches an instance to encrypted storage on behalf of the caller who adds it.
        iam.PolicyStatement(
            actions=["kms:CreateGrant", "kms:DescribeKey"],
            resources=[key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": _service(scope, "rds")}},
        ),
    ]


def _secret_statements(scope: Construct, key: kms.IKey) -> list[iam.PolicyStatement]:
    """Return what it takes to have RDS make the master secret, and to read it.

    RDS makes the secret on behalf of the caller who asks for it
    (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-secrets-manager.html#rds-secrets-manager-permissions).
    """
    secrets = _master_secrets(scope)
    keeper = _service(scope, "secretsmanager")
    return [
        iam.PolicyStatement(
            actions=["secretsmanager:CreateSecret", "secretsmanager:TagResource"],
            resources=[secrets],
            conditions={"Bool": {"aws:ViaAWSService": "true"}},
        ),
        iam.PolicyStatement(
            actions=["secretsmanager:GetSecretValue"],
            resources=[secrets],
            # RDS tags the secret with the cluster that it is for.
            conditions={
                "StringLike": {
                    "aws:ResourceTag/aws:rds:primaryDBClusterArn": database_arn(
                        scope, "cluster", RESTORED_CLUSTERS
                    )
                }
            },
        ),
        iam.PolicyStatement(
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[key.key_arn],
            conditions={
                "StringEquals": {"kms:ViaService": keeper},
                "StringLike": {"kms:EncryptionContext:SecretARN": [secrets, _VALIDATION]},
            },
        ),
        iam.PolicyStatement(
            actions=["kms:CreateGrant", "kms:DescribeKey"],
            resources=[key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": [_service(scope, "rds"), keeper]}},
        ),
        # RDS also looks at `aws/secretsmanager`, whichever key it is to use; that key has an id of AWS's.
        iam.PolicyStatement(
            actions=["kms:DescribeKey"],
            resources=[_any_key(scope)],
            conditions={"StringEquals": {"kms:ViaService": [_service(scope, "rds"), keeper]}},
        ),
    ]


def _any_key(scope: Construct) -> str:
    return Stack.of(scope).format_arn(service="kms", resource="key", resource_name="*")


def _master_secrets(scope: Construct) -> str:
    return Stack.of(scope).format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name="rds!cluster-*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )


def _service(scope: Construct, name: str) -> str:
    """Return a service as keys know it that are used through it."""
    return f"{name}.{Stack.of(scope).region}.amazonaws.com"
