"""What `./gantry status` makes of an account."""

import json
import re
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from ops import status
from ops.aws import Environment
from ops.paths import ROOT
from ops.status import screen
from ops.status.part import State
from ops.status.screen import Status, Verdict
from tests.aws.answers import Answers, environment
from tests.aws.transport import AwsError
from tests.unit.ops.status import account
from tests.unit.ops.status.account import ago

CALLS = [(name, operation) for name, each in account.answers().items() for operation in each]


@pytest.fixture(autouse=True)
def healthz(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the service answers."""
    said = {"answer": "HTTP 200"}
    monkeypatch.setattr("ops.healthz.answer", lambda _url, **_options: said["answer"])
    return said


def connected(answers: Answers) -> Environment:
    return environment(account.settings(), answers)


def read(change: Callable[[Answers], object] | None = None) -> Status:
    answers = account.answers()
    if change:
        change(answers)
    return status.read(connected(answers))


def answering(service: str, operation: str, answer: object) -> Callable[[Answers], object]:
    return lambda answers: answers[service].update({operation: answer})


def test_account_in_which_all_is_well_is_healthy() -> None:
    found = read()
    assert (found.verdict, found.reasons) == (Verdict.HEALTHY, [])
    # The sandbox's servers are not an account's.
    assert set(found.parts) == set(status.PARTS) - {"servers"}
    assert {part.state for part in found.parts.values()} == {State.OK}


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        *((*call, "AccessDenied") for call in CALLS),
        ("ecs", "describe_tasks", "ThrottlingException"),
        ("rds", "describe_db_clusters", "ExpiredToken"),
        ("backup", "list_restore_jobs", "InternalFailure"),
    ],
)
def test_what_cannot_be_read_is_unknown_and_never_healthy(service: str, operation: str, code: str) -> None:
    found = read(answering(service, operation, AwsError(code, "says AWS")))
    assert found.verdict is Verdict.UNKNOWN
    assert all(": unknown: " in reason or " unknown: " in reason for reason in found.reasons)
    assert all(code in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("deployment", answering("ecs", "describe_services", {"services": [account.service(runningCount=1)]}),
         "1 of 2 tasks run"),
        ("tasks", answering("ecs", "describe_tasks",
                            {"tasks": [account.task("a", "z", healthStatus="UNHEALTHY")]}),
         "0 of 2 tasks are healthy"),
        ("targets", answering("elbv2", "describe_target_health", account.targets("healthy", "unhealthy")),
         "target 10.0.0.1:8080 is unhealthy: Request timed out"),
        ("targets", answering("elbv2", "describe_target_health", account.targets()),
         "no target of the load balancer is healthy"),
        ("database", answering("rds", "describe_db_clusters", account.cluster(Status="failing-over")),
         "the cluster gantry-prod is failing-over"),
        ("database", answering("rds", "describe_db_clusters", account.cluster(DBClusterMembers=[])),
         "the cluster gantry-prod has no writer"),
        ("database", answering("rds", "describe_db_instances",
                               {"DBInstances": [account.instance("two", "z", "storage-full")]}),
         "the writer two is storage-full"),
        ("secrets", answering("secretsmanager", "describe_secret", {"RotationEnabled": False}),
         "secret database: no rotation"),
        ("secrets", answering("secretsmanager", "list_secret_version_ids",
                              account.versions(AWSCURRENT=ago(days=30), AWSPENDING=ago(hours=2))),
         "secret database: rotation failed"),
        ("backups", answering("backup", "list_recovery_points_by_backup_vault",
                              account.recovery_points(ago(days=3))),
         "the newest backup in the vault gantry-prod is 3 days old"),
        ("backups", answering("backup", "list_recovery_points_by_backup_vault",
                              account.recovery_points(ago(hours=1), status="PARTIAL")),
         "the newest backup in the vault gantry-prod is none yet"),
        ("restore_tests", answering("backup", "list_restore_jobs",
                                    account.restore_jobs(ValidationStatus="FAILED",
                                                         ValidationStatusMessage="no table users")),
         "validation FAILED"),
        ("restore_tests", answering("backup", "list_restore_jobs", {"RestoreJobs": []}),
         "no restore test within eight days"),
        ("alarms", answering("cloudwatch", "describe_alarms", account.describe_alarms("ALARM")),
         "gantry-prod-errors is in ALARM"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_the_verdicts_reason(
    part: str, change: Callable[[Answers], object], reason: str
) -> None:
    found = read(change)
    assert found.verdict is Verdict.UNHEALTHY
    assert found.parts[part].state is State.FAILED
    assert any(reason in each for each in found.reasons), found.reasons


def test_lock_says_who_holds_it_and_is_no_failure() -> None:
    found = read()
    assert list(found.parts["lock"].lines()) == [
        "ada holds it for `deploy -e prod` (hotfix) since 2026-11-27T11:00:00+00:00"
    ]
    assert found.document()["lock"]["holder"]["command"] == "deploy -e prod"
    free = read(answering("dynamodb", "get_item", {}))
    assert (free.verdict, list(free.parts["lock"].lines())) == (Verdict.HEALTHY, ["free"])


def test_service_that_does_not_answer_is_unhealthy(healthz: dict[str, str]) -> None:
    healthz["answer"] = "HTTP 503"
    assert read().reasons == ["service: https://tasks.example.com: HTTP 503"]


def test_failed_deployment_says_why() -> None:
    deployment = account.service()["deployments"][0] | {
        "rolloutState": "FAILED", "rolloutStateReason": "tasks failed to start"
    }  # fmt: skip
    found = read(
        answering("ecs", "describe_services", {"services": [account.service(deployments=[deployment])]})
    )
    assert found.reasons == ["deployment: the deployment of gantry-prod:41 failed: tasks failed to start"]


def test_deployment_that_moves_traffic_shows_its_stage() -> None:
    deployment = account.service()["deployments"][0] | {"rolloutState": "IN_PROGRESS"}
    arn = account.ARN.format("ecs", "service-deployment/gantry-prod/gantry-prod/1")

    def change(answers: Answers) -> None:
        answers["ecs"] |= {
            "describe_services": {"services": [account.service(deployments=[deployment])]},
            "list_service_deployments": {"serviceDeployments": [{"serviceDeploymentArn": arn}]},
            "describe_service_deployments": {"serviceDeployments": [{"lifecycleStage": "BAKE_TIME"}]},
        }

    found = read(change)
    assert found.verdict is Verdict.HEALTHY
    assert "IN_PROGRESS (BAKE_TIME)" in next(found.parts["deployment"].lines())


@pytest.mark.parametrize(
    "services", [[], [account.service(status="INACTIVE")], [account.service(deployments=[])]]
)
def test_service_that_was_deleted_by_hand_is_not_healthy(services: list[dict[str, Any]]) -> None:
    found = read(answering("ecs", "describe_services", {"services": services}))
    assert found.verdict is Verdict.UNKNOWN
    assert "ECS has no active service gantry-prod" in str(found.reasons)


def test_what_is_not_deployed_is_left_out_and_not_healthy() -> None:
    found = read(answering("cloudformation", "describe_stacks", account.not_deployed))
    assert found.verdict is Verdict.UNHEALTHY
    assert {"service", "database", "cache", "secrets", "backups"}.isdisjoint(found.parts)
    assert "gantry-prod-data is NOT_DEPLOYED" in "".join(found.reasons)


def test_rotation_in_progress_and_a_previous_credential_are_not_failures() -> None:
    labels = account.versions(AWSCURRENT=ago(days=30), AWSPENDING=ago(minutes=2))
    found = read(answering("secretsmanager", "list_secret_version_ids", labels))
    assert found.verdict is Verdict.HEALTHY
    assert ", rotating, next" in "".join(found.parts["secrets"].lines())
    labels = account.versions(AWSCURRENT=ago(minutes=2), AWSPREVIOUS=ago(days=30))
    found = read(answering("secretsmanager", "list_secret_version_ids", labels))
    assert ", previous still valid, next" in "".join(found.parts["secrets"].lines())


def test_screen_and_json_are_made_of_the_same_data(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "connect", lambda _name: connected(account.answers()))
    assert status.run("prod", as_json=True) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["database"]["instances"][0] == {
        "instance": "two", "role": "writer", "status": "available", "zone": "us-east-1b", "version": "17.9",
        "acu": 3.5, "connections": 40.0,
    }  # fmt: skip
    assert document["stopped_tasks"]["items"][0]["exit_codes"] == {"service": 137}
    assert status.run("prod", as_json=False) == 0
    shown = capsys.readouterr().out
    assert "writer available in us-east-1b: 3.5 of 16 ACU, 40 connections" in shown
    assert "cccc3333: Essential container in task exited, service exited with 137" in " ".join(shown.split())
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert len(shown.splitlines()) <= 40
    assert "\x1b" not in shown
    assert "…" not in shown


def test_every_field_is_documented() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(\w+)` \| (.*) \|$", page.partition("### Status")[2].partition("\n### ")[0], re.MULTILINE
    )
    documented = {name: set(re.findall(r"`(\w+)`", text)) for name, text in rows}
    answers = account.answers()
    answers["cloudwatch"]["describe_alarms"] = account.describe_alarms("ALARM")
    document = status.read(connected(answers)).document()
    for name, part in document.items():
        if not isinstance(part, dict):
            continue
        rows_of = [
            row for rows in part.values() if isinstance(rows, list) for row in rows if isinstance(row, dict)
        ]
        assert {*part, *(key for row in rows_of for key in row)} - {"state", "reasons"} <= documented[name]


def test_text_of_others_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = account.service()["deployments"][0] | {
        "rolloutState": "FAILED", "rolloutStateReason": "\x1b[2J\u202e[bold]gone"
    }  # fmt: skip
    found = read(answering("ecs", "describe_services", {"services": [account.service(deployments=[evil])]}))
    screen.print_screen(found, redraw=False)
    shown = capsys.readouterr().out
    assert "\\x1b[2J\\u202e[bold]gone" in shown
    assert {"\x1b", "\u202e"}.isdisjoint(shown)


def test_call_that_does_not_return_is_unknown_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    done = Event()

    def wait(**_params: object) -> dict[str, Any]:
        done.wait(30)
        return {"TargetHealthDescriptions": []}

    monkeypatch.setattr(status, "_WITHIN", status._WITHIN / 40)
    found = read(answering("elbv2", "describe_target_health", wait))
    done.set()
    assert found.parts["targets"].state is State.UNKNOWN
    assert "targets: unknown: AWS did not answer in time." in found.reasons


def test_fault_of_gantry_itself_is_no_unknown() -> None:
    with pytest.raises(KeyError):
        read(answering("ecs", "describe_services", {"services": [{"deployments": [{}]}]}))
