"""The role with which AWS Backup restores the database."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from gantry.database.restored_clusters import database_arn, last_snapshots, removal_statement
from gantry.nag import acknowledge


class RestoreRole(iam.Role):
    """Lets AWS Backup restore a recovery point of Aurora into a new cluster with one of the given names.

    Parameters
    ----------
    cluster_names
        Patterns of the names of the clusters that it may make.
    subnet_group, parameter_group
        Names of what the new cluster may be given.
    key
        Encrypts recovery points and clusters; imported by ARN when it belongs to another stack.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster_names: Sequence[str],
        subnet_group: str,
        parameter_group: str,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id, assumed_by=iam.ServicePrincipal("backup.amazonaws.com"))
        clusters = [database_arn(self, "cluster", name) for name in cluster_names]
        snapshots = database_arn(self, "cluster-snapshot", "awsbackup:*")
        for statement in (
            iam.PolicyStatement(
                actions=["rds:RestoreDBClusterFromSnapshot"],
                resources=[
                    *clusters,
                    snapshots,
                    database_arn(self, "cluster-pg", parameter_group),
                    database_arn(self, "subgrp", subnet_group),
                    database_arn(self, "og", "default:aurora-postgresql-17"),
                ],
            ),
            iam.PolicyStatement(
                actions=[
                    "rds:AddTagsToResource",
                    "rds:DescribeDBClusters",
                    "rds:ListTagsForResource",
                ],
                resources=clusters,
            ),
            removal_statement(self, clusters),
            iam.PolicyStatement(
                actions=["rds:DescribeDBClusterSnapshots", "rds:ListTagsForResource"], resources=[snapshots]
            ),
            iam.PolicyStatement(actions=["kms:DescribeKey"], resources=[key.key_arn]),
            iam.PolicyStatement(
                actions=["kms:CreateGrant"],
                resources=[key.key_arn],
                conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
            ),
        ):
            self.add_to_policy(statement)
        acknowledge(
            self,
            "AWS Backup names snapshots by the job that makes them and the clusters of restore tests at "
            "random; an operator names a restored cluster after the environment's. The last snapshot of a "
            "cluster has no name where none is made.",
            *(f"AwsSolutions-IAM5[Resource::{arn}]" for arn in (*clusters, snapshots, last_snapshots(self))),
        )
