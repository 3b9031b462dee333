"""Backups: how often, how long, where to, and that a topic is notified when one fails."""

from typing import Any

import pytest

from tests.infrastructure.synthesis import Synthesised, Synthesiser


def rules(platform: Synthesised) -> dict[str, dict[str, Any]]:
    plan = platform.only("AWS::Backup::BackupPlan").get("BackupPlan")
    return {rule["RuleName"]: rule for rule in plan["BackupPlanRule"]}


def test_guides_calendar_in_prod(prod: Synthesised) -> None:
    kept = {name: rule["Lifecycle"]["DeleteAfterDays"] for name, rule in rules(prod).items()}
    assert kept == {"daily": 35, "weekly": 90, "monthly": 365, "yearly": 2555}


def test_every_backup_is_copied_to_the_other_region_by_default(prod: Synthesised) -> None:
    for rule in rules(prod).values():
        (copy,) = rule["CopyActions"]
        vault = copy["DestinationBackupVaultArn"]["Fn::GetStackOutput"]
        assert (vault["StackName"], vault["Region"]) == ("gantry-prod-recovery", "us-west-2")
        assert copy["Lifecycle"] == rule["Lifecycle"]


def test_other_region_holds_copies_their_key_and_what_watches_over_it(prod: Synthesised) -> None:
    (stack,) = [stack for stack in prod.assembly.stacks if stack.name == "gantry-prod-recovery"]
    assert stack.region == "us-west-2"
    assert {resource.type for resource in stack.resources} == {
        "AWS::Backup::BackupVault",
        "AWS::ECR::RepositoryCreationTemplate",
        "AWS::Events::Rule",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::KMS::Alias",
        "AWS::KMS::Key",
    }


def test_without_copies_the_other_region_is_not_named(synthesise: Synthesiser) -> None:
    platform = synthesise.having("prod", {"backup.copies": False})
    assert all("CopyActions" not in rule for rule in rules(platform).values())


def test_backups_that_are_off_leave_nothing_behind(synthesise: Synthesiser) -> None:
    platform = synthesise.having("prod", {"backup.enabled": False})
    assert not [each for each in platform.assembly.resources if each.type.startswith("AWS::Backup")]
    assert "gantry-prod-recovery" not in {stack.name for stack in platform.assembly.stacks}


def test_rule_that_keeps_nothing_is_not_made(synthesise: Synthesiser) -> None:
    platform = synthesise.having(
        "prod", {"backup.yearly_retention_days": 0, "backup.weekly_retention_days": 0}
    )
    assert set(rules(platform)) == {"daily", "monthly"}


def test_database_is_what_is_backed_up(prod: Synthesised) -> None:
    selection = prod.only("AWS::Backup::BackupSelection")
    (cluster,) = prod.assembly.referents(selection, selection.get("BackupSelection", "Resources"))
    assert cluster.type == "AWS::RDS::DBCluster"


@pytest.mark.parametrize(
    ("lock", "grace"), [("governance", None), ("compliance", 3)], ids=["governance", "compliance"]
)
def test_lock_holds_in_both_regions(synthesise: Synthesiser, lock: str, grace: int | None) -> None:
    platform = synthesise.having("prod", {"backup.vault_lock": lock})
    vaults = platform.of_type("AWS::Backup::BackupVault")
    assert len(vaults) == 2
    for vault in vaults:
        assert vault.get("LockConfiguration", "MinRetentionDays") == 35
        assert vault.get("LockConfiguration", "ChangeableForDays") == grace


def test_backups_cannot_be_deleted_by_hand_where_data_is_kept(prod: Synthesised) -> None:
    for vault in prod.of_type("AWS::Backup::BackupVault"):
        (statement,) = vault.get("AccessPolicy", "Statement")
        assert statement["Effect"] == "Deny"
        assert "backup:DeleteRecoveryPoint" in statement["Action"]


def test_failure_notifies_the_alert_topic(prod: Synthesised) -> None:
    rule = prod.only("AWS::Events::Rule", path="Backup/Failures")
    assert rule.get("EventPattern", "detail", "state") == ["FAILED", "EXPIRED", "ABORTED"]
    (target,) = rule.get("Targets")
    (topic,) = prod.assembly.referents(rule, target["Arn"])
    assert topic.type == "AWS::SNS::Topic"


def test_backup_role_may_touch_this_database_alone(prod: Synthesised) -> None:
    for policy, statement in prod.statements():
        if policy.path.startswith("Backup/Role/") and policy.type == "AWS::IAM::Policy":
            named = {each.type for each in prod.assembly.referents(policy, statement["Resource"])}
            assert named <= {"AWS::RDS::DBCluster", "AWS::Backup::BackupVault", "AWS::KMS::Key"}
            assert statement["Resource"] != "*"
