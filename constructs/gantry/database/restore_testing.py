"""Weekly proof that the database can be restored."""

import json
from functools import partial

from aws_cdk import Duration
from aws_cdk import aws_backup as backup
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from constructs import Construct

from contract import metrics as published
from contract.database import DATABASE
from gantry.database.restored_clusters import acknowledge_restored_names, database_arn, examination_statements
from gantry.functions.python_function import FunctionDefaults, PythonFunction
from gantry.monitoring import metrics
from gantry.monitoring.alarm import AlarmDefaults, NotifyingAlarm
from gantry.nag import HIPAA, NIST, acknowledge, shared

# Sundays, UTC, when the day's backup is long done.
_SCHEDULE = "cron(0 10 ? * SUN *)"
_START_WINDOW = Duration.hours(2)
# Longer than the function's own patience (PATIENCE in lambdas/restore_test/examiner.py).
_VALIDATION_WINDOW = Duration.hours(4)
_LONGEST_AGE_DAYS = 8
_LONGEST_STAY_HOURS = 8


class RestoreTesting(Construct):
    """Restores the newest recovery point every week, queries it, and has it removed again.

    AWS Backup restores into the cluster's own subnets, behind a security group that nothing but the querying
    function reaches. The function runs every few minutes, adds what a restored cluster lacks, queries it,
    reports the result to AWS Backup and removes what it added; AWS Backup then removes the cluster.

    Parameters
    ----------
    functions
        What the function has in common with others.
    plan_name
        Name of the plan: letters, digits and underscores.
    cluster, subnet_group, parameter_group
        What is tested: the cluster, and the names of the groups that the restored one gets too.
    security_group, function_group
        Those of the restored cluster and of the function.
    vault, newest_within
        Where recovery points are, and how old the newest may be.
    restore_role
        The role with which AWS Backup restores.
    key, secrets_key
        Encrypt the cluster, and the master secret of the restored one.
    alarm_defaults
        Names, topic and runbook of the alarms.

    Attributes
    ----------
    plan_name
        Name of the plan.
    alarms
        The alarms.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: FunctionDefaults,
        plan_name: str,
        cluster: rds.IDatabaseCluster,
        subnet_group: str,
        parameter_group: str,
        security_group: ec2.ISecurityGroup,
        function_group: ec2.ISecurityGroup,
        vault: backup.IBackupVault,
        newest_within: Duration,
        restore_role: iam.IRole,
        key: kms.IKey,
        secrets_key: kms.IKey,
        alarm_defaults: AlarmDefaults,
    ) -> None:
        super().__init__(scope, construct_id)
        self.plan_name = plan_name
        plan = self._plan(vault, newest_within)
        selection = backup.CfnRestoreTestingSelection(
            self,
            "Selection",
            restore_testing_plan_name=plan.ref,
            restore_testing_selection_name=plan_name,
            protected_resource_type="Aurora",
            protected_resource_arns=[database_arn(self, "cluster", cluster.cluster_identifier)],
            iam_role_arn=restore_role.role_arn,
            restore_metadata_overrides={
                "dbSubnetGroupName": subnet_group,
                "dbClusterParameterGroupName": parameter_group,
                "vpcSecurityGroupIds": json.dumps([security_group.security_group_id]),
                "kmsKeyId": key.key_arn,
            },
            validation_window_hours=_VALIDATION_WINDOW.to_hours(),
        )
        # A test that begins before its role may restore fails.
        selection.node.add_dependency(restore_role)
        python = PythonFunction(
            self,
            "Function",
            defaults=functions,
            asset="restore_test",
            description="Queries restored databases and removes what it added to them",
            security_group=function_group,
            environment={
                "PLAN_NAME": plan.ref,
                "DATABASE": DATABASE,
                "SECRETS_KEY_ARN": secrets_key.key_arn,
            },
            statements=[
                *self._plan_statements(plan),
                *examination_statements(self, subnet_group=subnet_group, key=key, secrets_key=secrets_key),
            ],
            timeout=Duration.minutes(4),
        )
        acknowledge_restored_names(python.role)
        acknowledge(
            python,
            "It looks at everything again every few minutes, so that no event is worth keeping; its errors "
            "raise an alarm.",
            *shared("LambdaDLQ", (NIST, HIPAA)),
        )
        events.Rule(
            self,
            "EveryFewMinutes",
            description="Queries restored databases and removes what was added to them",
            schedule=events.Schedule.rate(Duration.minutes(5)),
            targets=[targets.LambdaFunction(python.function, retry_attempts=0)],
        )
        self.alarms = self._alarms(python, alarm_defaults)

    def _plan(self, vault: backup.IBackupVault, newest_within: Duration) -> backup.CfnRestoreTestingPlan:
        return backup.CfnRestoreTestingPlan(
            self,
            "Plan",
            restore_testing_plan_name=self.plan_name,
            schedule_expression=_SCHEDULE,
            start_window_hours=_START_WINDOW.to_hours(),
            recovery_point_selection=backup.CfnRestoreTestingPlan.RestoreTestingRecoveryPointSelectionProperty(
                algorithm="LATEST_WITHIN_WINDOW",
                include_vaults=[vault.backup_vault_arn],
                recovery_point_types=["SNAPSHOT"],
                selection_window_days=newest_within.to_days(),
            ),
        )

    @staticmethod
    def _plan_statements(plan: backup.CfnRestoreTestingPlan) -> list[iam.PolicyStatement]:
        return [
            iam.PolicyStatement(
                actions=["backup:GetRestoreTestingPlan"], resources=[plan.attr_restore_testing_plan_arn]
            ),
            # Restore jobs are no resources to IAM.
            iam.PolicyStatement(
                actions=["backup:ListRestoreJobs", "backup:PutRestoreValidationResult"], resources=["*"]
            ),
        ]

    def _alarms(self, python: PythonFunction, alarm_defaults: AlarmDefaults) -> list[NotifyingAlarm]:
        # The function publishes its first metrics some minutes after it was made.
        alarm = partial(alarm_defaults.alarm, self, warm_up=Duration.hours(1))
        failed, overdue, kept = (
            metrics.restore_test(self.plan_name, name)
            for name in (
                published.RESTORE_TEST_FAILED,
                published.DAYS_SINCE_RESTORE_TEST,
                published.HOURS_RESTORED_CLUSTER_KEPT,
            )
        )
        return [
            alarm("failed", failed, 0,
                  "The latest restore test failed: the newest backup may be of no use."),
            alarm("overdue", overdue, _LONGEST_AGE_DAYS,
                  f"No restore test passed for more than {_LONGEST_AGE_DAYS} days.",
                  missing=cloudwatch.TreatMissingData.BREACHING),
            alarm("cluster-not-deleted", kept, _LONGEST_STAY_HOURS,
                  "A restored cluster is still there, and costs money."),
            alarm("error", python.function.metric_errors(period=Duration.hours(1)), 2,
                  "The function that queries restored databases fails again and again."),
        ]  # fmt: skip
