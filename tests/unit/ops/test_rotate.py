"""What `./gantry rotate --wait` waits for."""

import json
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from contract.secrets import RotatingSecret
from ops import rotate
from ops.console import CliError
from tests.aws.ecs import CLUSTER, SERVICE
from tests.aws.harness import SESSION_LIFETIME, SigningKeyHarness
from tests.aws.transport import Answer, AwsError

STEPS_DONE = ["created", "valid", "tested", "current"]


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Iterator[SigningKeyHarness]:
    for limit in ("_STEPS_TIMEOUT", "_TASKS_TIMEOUT"):
        monkeypatch.setattr(rotate, limit, timedelta(0))  # what is not reached yet never will be
    made = SigningKeyHarness()
    yield made
    made.close()


class Logs:
    """Log events of the functions; each is a step that was done, or failed."""

    def __init__(self, *events: dict[str, str] | str) -> None:
        self._events = events

    def filter_log_events(self, log_group_name: str, start_time: int) -> Answer:
        assert log_group_name == "/gantry/sandbox/lambda/rotation-signing-key"
        if not self._events:
            raise AwsError("ResourceNotFoundException")
        lines = [event if isinstance(event, str) else json.dumps(event) for event in self._events]
        events = [{"timestamp": moment, "message": line + "\n"} for moment, line in enumerate(lines)]
        return {"events": [each for each in events if int(str(each["timestamp"])) >= start_time]}


def follow(harness: SigningKeyHarness, version: str, *events: dict[str, str] | str) -> list[str]:
    """Return the stages of a rotation that are reached."""
    return followed(harness, version, *events)[0]


def followed(
    harness: SigningKeyHarness, version: str, *events: dict[str, str] | str
) -> tuple[list[str], str]:
    """Return the stages of a rotation that are reached, and why no other was."""
    harness.models["logs"] = Logs(*events)
    environment: Any = SimpleNamespace(
        secrets=harness.aws.client("secretsmanager"),
        ecs=harness.aws.client("ecs"),
        logs=harness.aws.client("logs"),
        settings=SimpleNamespace(log_group_prefix="/gantry/sandbox/"),
        outputs=lambda _layer: {"ClusterName": CLUSTER, "ServiceName": SERVICE},
    )
    rotation = rotate.Rotation(
        environment, RotatingSecret.SIGNING_KEY, harness.secret.arn, version, began=0.0
    )
    report = rotate.Report(secret="signing-key", version=version)
    try:
        rotate._follow_to_the_end(rotation, report)
    except CliError as error:
        return [*report.stages, "…"], error.message
    return list(report.stages), ""


def test_new_tasks_are_waited_for(harness: SigningKeyHarness) -> None:
    version = harness.rotate()
    assert follow(harness, version) == [*STEPS_DONE, "…"]


def test_deployment_that_was_in_progress_may_be_enough(harness: SigningKeyHarness) -> None:
    harness.ecs.update_service(CLUSTER, SERVICE, force_new_deployment=True)
    version = harness.rotate()
    harness.clock.sleep(60)
    harness.ecs.complete_deployment()
    harness.reconcile()
    assert len([operation for operation, _ in harness.aws.calls if operation == "UpdateService"]) == 0
    assert follow(harness, version) == [*STEPS_DONE, "deployed"]


def test_key_whose_predecessor_is_retired_already_was_deployed(harness: SigningKeyHarness) -> None:
    version = harness.rotate()
    harness.ecs.complete_deployment()
    harness.reconcile()
    harness.clock.sleep(SESSION_LIFETIME.total_seconds() + 60)
    harness.reconcile()
    assert harness.secret.holder("AWSCURRENT") != version
    assert follow(harness, version) == [*STEPS_DONE, "deployed"]


def test_version_that_was_given_up_is_not_waited_for(harness: SigningKeyHarness) -> None:
    version = harness.secret.begin_rotation()
    harness.secret.detach("AWSPENDING")
    assert follow(harness, version) == ["…"]


def test_steps_are_followed_by_what_the_function_says(harness: SigningKeyHarness) -> None:
    version = harness.secret.begin_rotation()
    done = {"step": "setSecret", "version": version, "message": "the version is valid"}
    failed = {"step": "testSecret", "version": version, "message": "failed"}
    other = {"step": "testSecret", "version": "another", "message": "the version logs in"}
    assert follow(harness, version) == ["…"]
    assert follow(harness, version, done, failed, other) == ["created", "valid", "…"]


@pytest.mark.parametrize("step", ["createSecret", "setSecret", "testSecret", "finishSecret"])
def test_step_that_failed_ends_the_wait_with_its_reason(
    harness: SigningKeyHarness, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    # Nothing is waited for: the failure itself ends the wait, long before the time is up.
    monkeypatch.setattr(rotate, "_STEPS_TIMEOUT", timedelta(hours=1))
    version = harness.secret.begin_rotation()
    before = ["createSecret", "setSecret", "testSecret", "finishSecret"]
    done = [{"step": each, "version": version, "message": "done"} for each in before[: before.index(step)]]
    failed = {"step": step, "version": version, "message": "failed", "failure": "SQLSTATE 53100"}
    stages, why = followed(harness, version, *done, failed)
    assert stages == [*STEPS_DONE[: len(done)], "…"]
    assert why.startswith(f"{step} failed: SQLSTATE 53100")


def test_function_that_lambda_ended_ends_the_wait_too(harness: SigningKeyHarness) -> None:
    version = harness.secret.begin_rotation()
    made = {"step": "createSecret", "version": version, "message": "the version is made"}
    stages, why = followed(harness, version, made, "2026-01-01 REQUEST Task timed out after 60.00 seconds")
    assert stages == ["created", "…"]
    assert "Task timed out after 60.00 seconds" in why


def test_step_that_failed_before_and_was_repeated_is_no_failure(harness: SigningKeyHarness) -> None:
    version = harness.secret.begin_rotation()
    failed = {"step": "createSecret", "version": version, "message": "failed", "failure": "a time-out"}
    made = {"step": "createSecret", "version": version, "message": "the version is made"}
    stages, why = followed(harness, version, failed, made)
    assert stages == ["created", "…"]
    assert "did not end" in why
