"""What `./gantry rotate --wait` waits for."""

import json
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from ops import rotate
from ops.console import CliError
from ops.rotated_secrets import RotatedSecret
from tests.aws.ecs import CLUSTER, SERVICE
from tests.aws.rigs import SESSION_LIFETIME, SigningKeyRig
from tests.aws.transport import Answer, AwsError

STEPS_DONE = ["created", "admitted", "tested", "current"]


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[SigningKeyRig]:
    for limit in ("_STEPS_TIMEOUT", "_TASKS_TIMEOUT"):
        monkeypatch.setattr(rotate, limit, timedelta(0))  # what is not reached yet never will be
    made = SigningKeyRig()
    yield made
    made.close()


class Logs:
    """Log events of the functions; each is a step that was done, or failed."""

    def __init__(self, *events: dict[str, str]) -> None:
        self._events = events

    def filter_log_events(self, log_group_name: str, filter_pattern: str) -> Answer:
        assert log_group_name == "/gantry/sandbox/lambda/rotation-signing-key"
        if not self._events:
            raise AwsError("ResourceNotFoundException")
        events = [{"message": json.dumps(event) + "\n"} for event in self._events]
        return {"events": [each for each in events if filter_pattern.strip('"') in each["message"]]}


def follow(rig: SigningKeyRig, version: str, *events: dict[str, str]) -> list[str]:
    """Return the stages of a rotation that are reached."""
    rig.models["logs"] = Logs(*events)
    environment: Any = SimpleNamespace(
        secrets=rig.aws.client("secretsmanager"),
        ecs=rig.aws.client("ecs"),
        logs=rig.aws.client("logs"),
        settings=SimpleNamespace(log_group_prefix="/gantry/sandbox/"),
        outputs=lambda _layer: {"ClusterName": CLUSTER, "ServiceName": SERVICE},
    )
    rotation = rotate._Rotation(environment, RotatedSecret.SIGNING_KEY, rig.secret.arn, version, began=0.0)
    report = rotate.Report(secret="signing-key", version=version)
    try:
        rotate._follow(rotation, report)
    except CliError:
        return [*report.stages, "…"]
    return list(report.stages)


def test_new_tasks_are_waited_for(rig: SigningKeyRig) -> None:
    version = rig.rotate()
    assert follow(rig, version) == [*STEPS_DONE, "…"]


def test_deployment_that_was_in_progress_may_be_enough(rig: SigningKeyRig) -> None:
    rig.ecs.update_service(CLUSTER, SERVICE, force_new_deployment=True)
    version = rig.rotate()
    rig.clock.sleep(60)
    rig.ecs.complete_deployment()
    rig.reconcile()
    assert len([operation for operation, _ in rig.aws.calls if operation == "UpdateService"]) == 0
    assert follow(rig, version) == [*STEPS_DONE, "deployed"]


def test_key_whose_predecessor_is_retired_already_was_deployed(rig: SigningKeyRig) -> None:
    version = rig.rotate()
    rig.ecs.complete_deployment()
    rig.reconcile()
    rig.clock.sleep(SESSION_LIFETIME.total_seconds() + 60)
    rig.reconcile()
    assert rig.secret.holder("AWSCURRENT") != version
    assert follow(rig, version) == [*STEPS_DONE, "deployed"]


def test_version_that_was_given_up_is_not_waited_for(rig: SigningKeyRig) -> None:
    version = rig.secret.begin_rotation()
    rig.secret.detach("AWSPENDING")
    assert follow(rig, version) == ["…"]


def test_steps_are_followed_by_what_the_function_says(rig: SigningKeyRig) -> None:
    version = rig.secret.begin_rotation()
    done = {"step": "setSecret", "version": version, "message": "the version is admitted"}
    failed = {"step": "testSecret", "version": version, "message": "failed"}
    other = {"step": "testSecret", "version": "another", "message": "the version works"}
    assert follow(rig, version) == ["created", "…"]
    assert follow(rig, version, done, failed, other) == ["created", "admitted", "…"]
