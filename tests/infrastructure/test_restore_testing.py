"""Restore tests: what is restored, where to, who may touch it, and who is notified when none passes."""

import json
from typing import Any

import pytest

from ops.assembly import Resource
from restore_test.examiner import PATIENCE
from tests.infrastructure.arns import Reader
from tests.infrastructure.roles import role_of
from tests.infrastructure.synthesis import Synthesised, Synthesiser, as_list

PREFIX = "awsbackup-restore-test"
MINUTE, HOUR = 60, 3600


def test_newest_backup_of_the_database_is_restored_every_week(prod: Synthesised) -> None:
    plan = prod.only("AWS::Backup::RestoreTestingPlan")
    assert plan.get("ScheduleExpression") == "cron(0 10 ? * SUN *)"
    chosen = plan.get("RecoveryPointSelection")
    assert (chosen["Algorithm"], chosen["RecoveryPointTypes"]) == ("LATEST_WITHIN_WINDOW", ["SNAPSHOT"])
    (vault,) = prod.assembly.referents(plan, chosen["IncludeVaults"])
    assert vault.path.startswith("BackupVault")
    selection = prod.only("AWS::Backup::RestoreTestingSelection")
    (cluster,) = prod.assembly.referents(selection, selection.get("ProtectedResourceArns"))
    assert cluster.type == "AWS::RDS::DBCluster"


@pytest.mark.parametrize(
    ("overrides", "days"),
    [
        ({}, 2),
        ({"backup.daily_retention_days": 0}, 8),
        ({"backup.daily_retention_days": 0, "backup.weekly_retention_days": 0}, 32),
    ],
)
def test_backup_that_is_older_than_the_calendar_allows_is_not_taken_for_the_newest(
    synthesise: Synthesiser, overrides: dict[str, object], days: int
) -> None:
    plan = synthesise("prod", overrides).only("AWS::Backup::RestoreTestingPlan")
    assert plan.get("RecoveryPointSelection", "SelectionWindowDays") == days


def test_database_is_restored_where_only_the_function_reaches_it(prod: Synthesised) -> None:
    selection = prod.only("AWS::Backup::RestoreTestingSelection")
    overrides = selection.get("RestoreMetadataOverrides")
    named = {
        key: {each.construct.rpartition("/")[2] for each in prod.assembly.referents(selection, value)}
        for key, value in overrides.items()
    }
    assert named == {
        "dbSubnetGroupName": {"Subnets"},
        "dbClusterParameterGroupName": {"Parameters"},
        "vpcSecurityGroupIds": {"RestoredDatabase"},
        "kmsKeyId": {"Data"},
    }
    (group,) = json.loads(_with_names(overrides["vpcSecurityGroupIds"]))
    assert group == "group"


def _with_names(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return a joined text with names in the place of what is joined in."""
    return "".join(part if isinstance(part, str) else "group" for part in value["Fn::Join"][1])


def function_of(platform: Synthesised) -> Resource:
    return platform.only("AWS::Lambda::Function", path="RestoreTesting/")


def test_function_runs_every_few_minutes_and_never_twice_at_once(prod: Synthesised) -> None:
    rule = prod.only("AWS::Events::Rule", path="RestoreTesting/")
    assert rule.get("ScheduleExpression") == "rate(5 minutes)"
    assert function_of(prod).get("Timeout") < 5 * MINUTE


def test_function_gives_up_before_aws_removes_the_cluster(prod: Synthesised) -> None:
    window = prod.only("AWS::Backup::RestoreTestingSelection").get("ValidationWindowHours")
    assert PATIENCE.total_seconds() + 30 * MINUTE < window * HOUR


def test_only_what_a_restore_test_made_may_be_changed(prod: Synthesised) -> None:
    """Nor may the role that restores touch what exists."""
    found = 0
    for policy, statement in prod.statements():
        if policy.path.startswith(("RestoreTesting/", "RestoreRole/")) and statement["Effect"] == "Allow":
            for action in as_list(statement["Action"]):
                verb = action.partition(":")[2]
                if action.startswith("rds:") and not verb.startswith(("Describe", "List")):
                    found += 1
                    _check_targets(prod, policy, statement)
    assert found >= 5


@pytest.mark.parametrize("said_of_the_secret", ["rds!cluster-1", "RequestToValidateKeyAccess"])
def test_function_may_have_rds_make_the_master_secret(prod: Synthesised, said_of_the_secret: str) -> None:
    """Secrets Manager tries the key before there is a secret, and RDS looks at AWS's own key, too."""
    function = prod.only("AWS::Lambda::Function", path="RestoreTesting/")
    role, where = role_of(prod, function), f"{prod.settings.region}:{prod.settings.account}"
    secret = f"arn:aws:secretsmanager:{where}:secret:{said_of_the_secret}"
    if "!" not in said_of_the_secret:
        secret = said_of_the_secret
    cluster = prod.only("AWS::RDS::DBCluster")
    key = Reader(prod.assembly).text(cluster, cluster.get("MasterUserSecret", "KmsKeyId"))
    via = {"kms:ViaService": f"secretsmanager.{prod.settings.region}.amazonaws.com"}
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        assert role.allows(action, key, via | {"kms:EncryptionContext:SecretARN": secret})
        assert not role.allows(action, key, via | {"kms:EncryptionContext:SecretARN": "another"})
    rds = {"kms:ViaService": f"rds.{prod.settings.region}.amazonaws.com"}
    assert role.allows("kms:DescribeKey", f"arn:aws:kms:{where}:key/of-secretsmanager", rds)
    assert not role.allows("kms:DescribeKey", f"arn:aws:kms:{where}:key/of-secretsmanager")


def _check_targets(platform: Synthesised, policy: Resource, statement: dict[str, Any]) -> None:
    kinds = {each.type for each in platform.assembly.referents(policy, statement["Resource"])}
    assert kinds <= {"AWS::RDS::DBClusterParameterGroup", "AWS::RDS::DBSubnetGroup"}
    for arn in as_list(statement["Resource"]):
        if isinstance(arn, str) and arn.split(":")[5] in {"cluster", "db"}:
            assert arn.split(":")[6].startswith((PREFIX, "gantry-prod-restored"))


def test_role_restores_only_for_aws_backup(prod: Synthesised) -> None:
    role = prod.only("AWS::IAM::Role", path="RestoreRole/")
    (statement,) = role.get("AssumeRolePolicyDocument", "Statement")
    assert statement["Principal"] == {"Service": "backup.amazonaws.com"}


def test_alarms_on_restore_tests_notify_the_alert_topic(prod: Synthesised) -> None:
    alarms = {
        alarm.get("MetricName"): alarm
        for alarm in prod.of_type("AWS::CloudWatch::Alarm")
        if alarm.path.startswith("RestoreTesting/")
    }
    assert {name: alarm.get("Threshold") for name, alarm in alarms.items()} == {
        "RestoreTestFailed": 0,
        "DaysSinceRestoreTest": 8,
        "HoursRestoredClusterKept": 8,
        "Errors": 2,
    }
    for alarm in alarms.values():
        (topic,) = prod.assembly.referents(alarm, alarm.get("AlarmActions"))
        assert topic.type == "AWS::SNS::Topic"
        assert "docs/operations.md" in alarm.get("AlarmDescription")


def test_silence_counts_as_overdue(prod: Synthesised) -> None:
    """Of a function that does not run there is no metric."""
    alarm = prod.only("AWS::CloudWatch::Alarm", path="RestoreTesting/OverdueAlarm")
    assert alarm.get("TreatMissingData") == "breaching"


def test_alarms_watch_what_the_function_publishes(prod: Synthesised) -> None:
    plan = prod.only("AWS::Backup::RestoreTestingPlan").get("RestoreTestingPlanName")
    for alarm in prod.of_type("AWS::CloudWatch::Alarm"):
        if alarm.path.startswith("RestoreTesting/") and alarm.get("Namespace") == "Gantry":
            dimensions = {each["Name"]: each["Value"] for each in alarm.get("Dimensions")}
            assert dimensions == {"Plan": plan, "service": "restore-test"}


def test_tests_that_are_off_leave_nothing_but_the_role_behind(synthesise: Synthesiser) -> None:
    without = synthesise("prod", {"backup.restore_tests": False})
    added = {each.path for each in synthesise("prod").assembly.resources} - {
        each.path for each in without.assembly.resources
    }
    assert added
    assert all(path.startswith(("RestoreTesting/", "SecurityGroups/Restore")) for path in added), added
    assert "RestoreRoleArn" in without.template("data")["Outputs"]


def test_without_backups_nothing_is_restored(synthesise: Synthesiser) -> None:
    platform = synthesise.having("prod", {"backup.enabled": False})
    assert not [each for each in platform.assembly.resources if "Restore" in each.path]
