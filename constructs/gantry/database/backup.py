"""Backups of the database, on a calendar, with copies in another region."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_sns as sns
from constructs import Construct

from gantry.nag import HIPAA, NIST, acknowledge, shared
from gantry.security.alert_rule import AlertRule

BackupRule = Literal["daily", "weekly", "monthly", "yearly"]
# UTC, after the window in which RDS makes its own snapshot.
_SCHEDULES: Mapping[BackupRule, str] = {
    "daily": "cron(0 4 * * ? *)",
    "weekly": "cron(0 4 ? * SUN *)",
    "monthly": "cron(0 4 1 * ? *)",
    "yearly": "cron(0 4 1 1 ? *)",
}


@dataclass(frozen=True, kw_only=True)
class Copies:
    """A vault of another region and its key."""

    vault: backup.IBackupVault
    key: kms.IKey


class DatabaseBackup(Construct):
    """A backup plan for one Aurora cluster.

    The alert topic is notified of a backup or copy that fails or expires.

    Parameters
    ----------
    name
        Name of the plan.
    cluster
        What is backed up.
    vault, key
        Where backups go, and the key of the cluster, which encrypts them.
    copies
        Where a copy of every backup goes.
    retention
        How long backups and copies are kept, by how often they are made: at 4:00 UTC every day, on Sundays,
        on the first of the month, on the first of the year.
    alert_topic
        Notification topic for failures.

    Attributes
    ----------
    role
        The role with which AWS Backup works.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        cluster: rds.IDatabaseCluster,
        vault: backup.IBackupVault,
        key: kms.IKey,
        retention: Mapping[BackupRule, Duration],
        alert_topic: sns.ITopic,
        copies: Copies | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._vault, self._others = vault, [] if copies is None else [copies.vault]
        keys = [key] if copies is None else [key, copies.key]
        plan = backup.BackupPlan(
            self,
            "Plan",
            backup_plan_name=name,
            backup_plan_rules=[self._rule(rule, kept) for rule, kept in retention.items()],
        )
        self.role = self._role(cluster, keys)
        selection = plan.add_selection(
            "Database",
            backup_selection_name=name,
            resources=[backup.BackupResource.from_arn(_cluster_arn(self, cluster))],
            role=self.role,
            disable_default_backup_policy=True,
        )
        selection.node.add_dependency(self.role)
        acknowledge(
            cluster,
            "AWS Backup backs Aurora up by cluster, not by instance; the plan names the cluster.",
            *shared("RDSInBackupPlan", (NIST, HIPAA)),
        )
        self._alert(alert_topic)

    def _rule(self, name: BackupRule, kept: Duration) -> backup.BackupPlanRule:
        copies = [
            backup.BackupPlanCopyActionProps(destination_backup_vault=vault, delete_after=kept)
            for vault in self._others
        ]
        return backup.BackupPlanRule(
            rule_name=name,
            backup_vault=self._vault,
            schedule_expression=events.Schedule.expression(_SCHEDULES[name]),
            start_window=Duration.hours(1),
            completion_window=Duration.hours(6),
            delete_after=kept,
            copy_actions=copies or None,
        )

    def _role(self, cluster: rds.IDatabaseCluster, keys: list[kms.IKey]) -> iam.Role:
        """Return a role for this cluster: AWS's managed policy allows as much on every resource there is."""
        stack = Stack.of(self)
        snapshots = stack.format_arn(
            service="rds",
            region="*",
            resource="cluster-snapshot",
            resource_name="awsbackup:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("backup.amazonaws.com"))
        key_arns = [key.key_arn for key in keys]
        for statement in (
            iam.PolicyStatement(
                actions=[
                    "rds:AddTagsToResource",
                    "rds:CreateDBClusterSnapshot",
                    "rds:DescribeDBClusterSnapshots",
                    "rds:DescribeDBClusters",
                    "rds:ListTagsForResource",
                ],
                resources=[_cluster_arn(self, cluster), snapshots],
            ),
            iam.PolicyStatement(
                actions=[
                    "rds:CopyDBClusterSnapshot",
                    "rds:DeleteDBClusterSnapshot",
                    "rds:ModifyDBClusterSnapshotAttribute",
                ],
                resources=[snapshots],
            ),
            # Of Aurora a recovery point is a snapshot.
            iam.PolicyStatement(
                actions=["backup:CopyFromBackupVault"], resources=[self._vault.backup_vault_arn, snapshots]
            ),
            iam.PolicyStatement(
                actions=["backup:CopyIntoBackupVault", "backup:DescribeBackupVault"],
                resources=[vault.backup_vault_arn for vault in (self._vault, *self._others)],
            ),
            iam.PolicyStatement(actions=["kms:DescribeKey"], resources=key_arns),
            iam.PolicyStatement(
                actions=["kms:CreateGrant"],
                resources=key_arns,
                conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
            ),
        ):
            role.add_to_policy(statement)
        acknowledge(
            role,
            "AWS Backup names its snapshots, here and where the copies are, by the job that makes them.",
            f"AwsSolutions-IAM5[Resource::{snapshots}]",
        )
        return role

    def _alert(self, topic: sns.ITopic) -> None:
        AlertRule(
            self,
            "Failures",
            description="A backup of the database or a copy of one failed",
            source="aws.backup",
            detail_types=["Backup Job State Change", "Copy Job State Change"],
            detail={"iamRoleArn": [self.role.role_arn], "state": ["FAILED", "EXPIRED", "ABORTED"]},
            message="<type>: backup of <resource> ended as <state>",
            values={"type": "$.detail-type", "resource": "$.detail.resourceArn", "state": "$.detail.state"},
            topic=topic,
        )


def _cluster_arn(scope: Construct, cluster: rds.IDatabaseCluster) -> str:
    return Stack.of(scope).format_arn(
        service="rds",
        resource="cluster",
        resource_name=cluster.cluster_identifier,
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
