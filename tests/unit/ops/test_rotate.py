"""What `./gantry rotate --wait` waits for."""

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


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Iterator[SigningKeyRig]:
    for limit in ("_STEPS_TIMEOUT", "_TASKS_TIMEOUT"):
        monkeypatch.setattr(rotate, limit, timedelta(0))  # what is not reached yet never will be
    monkeypatch.setattr(rotate, "_what_the_function_said", str)
    made = SigningKeyRig()
    yield made
    made.close()


def follow(rig: SigningKeyRig, version: str) -> list[str]:
    """Return the stages of a rotation that are reached."""
    environment: Any = SimpleNamespace(
        secrets=rig.aws.client("secretsmanager"),
        ecs=rig.aws.client("ecs"),
        outputs=lambda _layer: {"ClusterName": CLUSTER, "ServiceName": SERVICE},
    )
    rotation = rotate._Rotation(environment, rig.secret.arn, version, began=0.0)
    report = rotate.Report(secret="signing-key", version=version)
    try:
        rotate._follow(rotation, report, RotatedSecret.SIGNING_KEY)
    except CliError:
        return [*report.stages, "…"]
    return list(report.stages)


def test_new_tasks_are_waited_for(rig: SigningKeyRig) -> None:
    version = rig.rotate()
    assert follow(rig, version) == ["created", "current", "…"]


def test_deployment_that_was_in_progress_may_be_enough(rig: SigningKeyRig) -> None:
    rig.ecs.update_service(CLUSTER, SERVICE, force_new_deployment=True)
    version = rig.rotate()
    rig.clock.sleep(60)
    rig.ecs.complete_deployment()
    rig.reconcile()
    assert len([operation for operation, _ in rig.aws.calls if operation == "UpdateService"]) == 0
    assert follow(rig, version) == ["created", "current", "deployed"]


def test_key_whose_predecessor_is_retired_already_was_deployed(rig: SigningKeyRig) -> None:
    version = rig.rotate()
    rig.ecs.complete_deployment()
    rig.reconcile()
    rig.clock.sleep(SESSION_LIFETIME.total_seconds() + 60)
    rig.reconcile()
    assert rig.secret.holder("AWSCURRENT") != version
    assert follow(rig, version) == ["created", "current", "deployed"]


def test_version_that_was_given_up_is_not_waited_for(rig: SigningKeyRig) -> None:
    version = rig.secret.begin_rotation()
    rig.secret.detach("AWSPENDING")
    assert follow(rig, version) == ["…"]
