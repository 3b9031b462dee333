"""What `./gantry events` makes of an account's records."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from contract.secrets import RotatingSecret
from ops import events
from ops.deployments.ledger import Outcome, Start, new_id
from ops.events import Timeline
from tests.aws.answers import Answers, environment
from tests.aws.transport import AwsError
from tests.unit.ops.status import account
from tests.unit.ops.status.account import ago

STACK = "arn:aws:cloudformation:us-east-1:111122223333:stack/gantry-prod-compute/1"
DAY = timedelta(days=1)


def stack_event(status: str, minutes: float, *, resource: str = "", reason: str = "") -> dict[str, Any]:
    more = {"ResourceStatusReason": reason} if reason else {}
    return {
        "StackId": STACK,
        "EventId": f"{status}{minutes}{resource}",
        "StackName": "gantry-prod-compute",
        "LogicalResourceId": resource or "gantry-prod-compute",
        "PhysicalResourceId": f"id-of-{resource}" if resource else STACK,
        "ResourceType": "AWS::ECS::Service" if resource else "AWS::CloudFormation::Stack",
        "Timestamp": ago(minutes=minutes),
        "ResourceStatus": status,
    } | more


def stack_events(stack_name: str) -> dict[str, Any]:
    found = [
        stack_event("UPDATE_ROLLBACK_COMPLETE", 70),
        stack_event("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", 71),
        stack_event("UPDATE_ROLLBACK_IN_PROGRESS", 80, reason="WebService failed"),
        stack_event("UPDATE_FAILED", 81, resource="WebTask", reason="Resource update cancelled"),
        stack_event("UPDATE_FAILED", 82, resource="WebService", reason="Circuit Breaker was triggered"),
        stack_event("UPDATE_IN_PROGRESS", 90, resource="WebService"),
        stack_event("UPDATE_IN_PROGRESS", 95),
        stack_event("CREATE_COMPLETE", 60 * 24 * 30),
    ]
    return {"StackEvents": found if stack_name == "gantry-prod-compute" else []}


def rotation_log(log_group_name: str, start_time: int) -> dict[str, Any]:
    lines = {
        "START RequestId: 1": 65,
        '{"_aws":{"CloudWatchMetrics":[]},"DaysSinceRotation":[0]}': 64,
        '{"level":"INFO","message":"the version is made","step":"createSecret","version":"964b29d9-1"}': 63,
        '{"level":"ERROR","message":"failed","failure":"locked","step":"setSecret","version":"964b29d9"}': 62,
    }
    if not log_group_name.endswith("rotation-database"):
        return {"events": []}
    return {
        "events": [
            {"timestamp": int(ago(minutes=minutes).timestamp() * 1000), "message": line,
             "logStreamName": "s", "eventId": line}
            for line, minutes in lines.items()
            if ago(minutes=minutes).timestamp() * 1000 >= start_time
        ]
    }  # fmt: skip


def history(name: str, old: str, new: str, minutes: float) -> dict[str, Any]:
    data = {
        "oldState": {"stateValue": old},
        "newState": {"stateValue": new, "stateReason": "Threshold Crossed"},
    }
    return {
        "AlarmName": name,
        "Timestamp": ago(minutes=minutes),
        "HistoryItemType": "StateUpdate",
        "HistoryData": json.dumps(data),
    }


def ledger_items() -> list[dict[str, Any]]:
    """Return the items of a deployment that failed, the outcome first, as the table has them."""
    identity = new_id(ago(minutes=96))
    start = Start(
        id=identity, run="1", by="arn:aws:sts::1:assumed-role/deployer/ada", kind="deploy", reason="1.4"
    )
    ended = ago(minutes=69).isoformat()
    outcome = Outcome(id=identity, result="failed", ended=ended, cause="tasks failed to start")
    serialize = TypeSerializer().serialize
    return [
        {name: serialize(value) for name, value in {**asdict(item), "sk": f"{identity}#{kind}"}.items()}
        for kind, item in (("outcome", outcome), ("start", start))
    ]


def answers() -> Answers:
    found = account.answers()
    deployment = {
        "serviceDeploymentArn": account.ARN.format("ecs", "service-deployment/gantry-prod/gantry-prod/77"),
        "createdAt": ago(minutes=89),
        "finishedAt": ago(minutes=75),
        "status": "ROLLBACK_SUCCESSFUL",
        "statusReason": "alarm detected",
    }
    said = [
        {"id": "1", "createdAt": ago(minutes=77),
         "message": "(service gantry-prod) has reached a steady state."},
        {"id": "2", "createdAt": ago(minutes=85),
         "message": "(service gantry-prod) (task cccc3333) failed ELB health checks in (target-group x)."},
        {"id": "3", "createdAt": ago(minutes=88),
         "message": "(service gantry-prod, taskSet ecs-svc/1) has begun draining connections on 1 tasks."},
    ]  # fmt: skip
    activity = {
        "ActivityId": "1", "ServiceNamespace": "ecs", "ResourceId": "service/gantry-prod/gantry-prod",
        "ScalableDimension": "ecs:service:DesiredCount", "Description": "Setting desired count to 4.",
        "Cause": "monitor alarm cpu in state ALARM triggered policy cpu", "StatusCode": "Successful",
    }  # fmt: skip
    found["cloudformation"]["describe_stack_events"] = stack_events
    found["ecs"] |= {
        "describe_services": {"services": [account.service(events=said)]},
        "list_service_deployments": {"serviceDeployments": [deployment]},
    }
    found["logs"] = {"filter_log_events": rotation_log}
    found["dynamodb"]["query"] = {"Items": ledger_items()}
    found["cloudwatch"]["describe_alarm_history"] = {
        "AlarmHistoryItems": [
            history(account.ALARM, "OK", "ALARM", 84),
            history(account.ALARM, "ALARM", "ALARM", 83.5),
            history(account.OTHERS_ALARM, "OK", "ALARM", 83),
        ]
    }
    found["application-autoscaling"] = {
        "describe_scaling_activities": {
            "ScalingActivities": [
                activity | {"StartTime": ago(minutes=86)},
                activity | {"StartTime": ago(days=9)},
            ]
        }
    }
    found["backup"] |= {
        "list_backup_jobs": {
            "BackupJobs": [{"BackupJobId": "b1", "State": "FAILED", "StatusMessage": "no access to the key",
                            "CreationDate": ago(minutes=68), "CompletionDate": ago(minutes=67)}]
        },
        "list_copy_jobs": {
            "CopyJobs": [
                {"CopyJobId": f"c-{vault}", "State": "RUNNING", "CreationDate": ago(minutes=66),
                 "SourceBackupVaultArn": account.ARN.format("backup", f"backup-vault:{vault}")}
                for vault in ("gantry-prod", "others")
            ]
        },
        "list_restore_jobs": {
            "RestoreJobs": [{"RestoreJobId": "r1", "Status": "COMPLETED", "ValidationStatus": "SUCCESSFUL",
                             "SourceResourceArn": account.ARN.format("rds", "cluster:gantry-prod"),
                             "CreationDate": ago(hours=26), "CompletionDate": ago(minutes=61)}]
        },
    }  # fmt: skip
    return found


CALLS = {
    "ledger": ("dynamodb", "query"),
    "stacks": ("cloudformation", "describe_stack_events"),
    "service deployments": ("ecs", "list_service_deployments"),
    "stopped tasks": ("ecs", "describe_tasks"),
    "scaling": ("application-autoscaling", "describe_scaling_activities"),
    "rotations": ("logs", "filter_log_events"),
    "alarms": ("cloudwatch", "describe_alarm_history"),
    "backups": ("backup", "list_copy_jobs"),
}


def read(change: Callable[[Answers], object] | None = None, since: timedelta = DAY) -> Timeline:
    given = answers()
    if change:
        change(given)
    return events.read(environment(account.settings(), given), since)


def test_what_happened_is_one_timeline_of_this_environment_alone() -> None:
    found = read()
    assert found.unknown == {}
    ledger = [each for each in found.events if each.subject.startswith("deploy 2")]
    assert [each.text for each in ledger] == ["begun by ada (1.4)", "failed: tasks failed to start"]
    others = [each for each in found.events if each not in ledger]
    assert [f"{each.kind} {each.subject}: {each.text}" for each in others] == [
        "deployment gantry-prod-compute: UPDATE_IN_PROGRESS",
        "deployment service deployment 77: began",
        "scaling gantry-prod: Setting desired count to 4: monitor alarm cpu in state ALARM "
        "triggered policy cpu (Successful)",
        "task gantry-prod: (task cccc3333) failed ELB health checks in (target-group x).",
        "alarm gantry-prod-errors: OK to ALARM: Threshold Crossed",
        "deployment gantry-prod-compute: WebService (AWS::ECS::Service) UPDATE_FAILED: "
        "Circuit Breaker was triggered",
        "deployment gantry-prod-compute: UPDATE_ROLLBACK_IN_PROGRESS: WebService failed",
        "deployment service deployment 77: ROLLBACK_SUCCESSFUL: alarm detected",
        "deployment gantry-prod-compute: UPDATE_ROLLBACK_COMPLETE",
        "backup backup b1: began",
        "backup backup b1: FAILED: no access to the key",
        "backup copy c-gantry-prod: began",
        "rotation database: createSecret: the version is made (version 964b29d9)",
        "rotation database: setSecret: failed: locked (version 964b29d9)",
        "backup restore r1: COMPLETED, validation SUCCESSFUL",
        "task task cccc3333: stopped: Essential container in task exited, service exited with 137",
    ]


def test_nothing_is_older_than_asked_for() -> None:
    found = read(since=datetime.now(UTC) - ago(minutes=80, seconds=30))
    assert found.events[0].text == "UPDATE_ROLLBACK_IN_PROGRESS: WebService failed"


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "ExpiredTokenException"])
@pytest.mark.parametrize("source", CALLS)
def test_source_that_cannot_be_read_is_unknown_and_the_others_are_shown(
    source: str, code: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = answers()
    service, operation = CALLS[source]
    given[service][operation] = AwsError(code, "says AWS")
    monkeypatch.setattr(events, "connect", lambda _name: environment(account.settings(), given))
    events.run("prod", since=DAY, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert list(document["unknown"]) == [source]
    assert code in document["unknown"][source]
    assert len({each["kind"] for each in document["events"]}) >= 5
    events.run("prod", since=DAY, as_json=False)
    captured = capsys.readouterr()
    assert captured.err.startswith(f"{source}: unknown: ")
    assert len(captured.err.splitlines()) == 1
    assert len(captured.out.splitlines()) == len(document["events"])


def test_what_is_not_deployed_has_no_events_and_is_not_unknown() -> None:
    def change(given: Answers) -> None:
        given["cloudformation"] = dict.fromkeys(given["cloudformation"], account.not_deployed)
        given["logs"]["filter_log_events"] = AwsError("ResourceNotFoundException", "no log group")

    found = read(change)
    assert (found.events, found.unknown) == ([], {})


def test_lines_are_utc_whole_and_harmless(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = answers()
    reason = "\x1b[2J\u202e" + "long " * 60
    given["ecs"]["describe_tasks"] = {"tasks": [account.STOPPED | {"stoppedReason": reason}]}
    monkeypatch.setattr(events, "connect", lambda _name: environment(account.settings(), given))
    events.run("prod", since=DAY, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith(
        f"{ago(minutes=9).astimezone(UTC):%Y-%m-%d %H:%M:%S}Z task       task cccc3333 "
    )
    assert "\\x1b[2J\\u202elong long" in lines[-1]
    assert lines[-1].count("long") == 60
    assert lines == sorted(lines, key=lambda line: line[:20])


def test_every_rotated_secret_is_asked_for() -> None:
    asked = []

    def change(given: Answers) -> None:
        def filter_log_events(log_group_name: str, **_params: object) -> dict[str, Any]:
            asked.append(log_group_name)
            return {"events": []}

        given["logs"]["filter_log_events"] = filter_log_events

    read(change)
    assert asked == [f"/gantry/prod/lambda/rotation-{secret}" for secret in RotatingSecret]
