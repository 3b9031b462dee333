"""`./gantry rotate --leaked`: the credential is replaced, its tasks end, and it is shown to be refused."""

import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from contract.secrets import RotatingSecret
from gantry_runtime.failures import SafeError
from ops import leaked
from ops.console import CliError
from tests.aws.ecs import CLUSTER, SERVICE
from tests.aws.harness import SigningKeyHarness
from tests.aws.service_deployments import ServiceDeployments
from tests.aws.transport import Answer, Crash, crash


class Functions:
    """Lambda: the secret's function, which may fail instead."""

    def __init__(self, harness: SigningKeyHarness) -> None:
        self._harness, self.failure = harness, ""

    def invoke(self, **request: str | bytes) -> Answer:
        assert request["FunctionName"] == "arn:function"
        if self.failure:
            body = json.dumps({"errorMessage": self.failure, "errorType": "RotationFailedError"})
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(body.encode())}
        answer = self._answer(json.loads(request["Payload"]))
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}

    def _answer(self, event: dict[str, str]) -> dict[str, Any]:
        if "Openings" in event:
            return self._harness.strategy.openings(self._harness.store.require(event["Openings"]))
        report = self._harness.reconcile()
        return {
            "reconciled": report.reconciled,
            "previous": report.previous,
            "replacement": report.replacement,
        }


@pytest.fixture
def harness() -> Iterator[SigningKeyHarness]:
    made = SigningKeyHarness()
    made.reconcile_fully()
    made.secret.function = "arn:function"
    yield made
    made.close()


@pytest.fixture(autouse=True)
def functions(harness: SigningKeyHarness, monkeypatch: pytest.MonkeyPatch) -> Functions:
    made = Functions(harness)
    environment: Any = SimpleNamespace(
        secrets=harness.aws.client("secretsmanager"),
        ecs=harness.aws.client("ecs"),
        functions=made,
        settings=SimpleNamespace(deployment=SimpleNamespace(wait_minutes=0)),
        outputs=lambda _: {
            "SigningKeySecretArn": harness.secret.arn,
            "ClusterName": CLUSTER,
            "ServiceName": SERVICE,
        },
    )
    monkeypatch.setattr(leaked, "connect", lambda _: environment)
    deploy_by(harness, ServiceDeployments(harness.clock.now(), status="SUCCESSFUL"), monkeypatch)
    return made


def deploy_by(
    harness: SigningKeyHarness, releases: ServiceDeployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("list_service_deployments", "describe_service_deployments"):
        monkeypatch.setattr(harness.ecs, name, getattr(releases, name), raising=False)


def between_polls(monkeypatch: pytest.MonkeyPatch, *happenings: Callable[[], object]) -> None:
    """Have something happen at each poll; who polls more often waits in vain."""
    left = list(happenings)
    monkeypatch.setattr("time.sleep", lambda _: left.pop(0)())


def run() -> None:
    leaked.run(RotatingSecret.SIGNING_KEY, environment="sandbox", as_json=True)


def test_leaked_key_vouches_for_nothing_afterwards(
    harness: SigningKeyHarness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = (harness.secret.document("AWSCURRENT") or {})["current"]
    between_polls(monkeypatch, harness.ecs.complete_deployment)
    run()
    assert set(harness.secret.document("AWSCURRENT") or {}) == {"current"}
    assert not harness.verifies(key)
    assert harness.secret.holder("LEAKED") is None
    said = json.loads(capsys.readouterr().out)
    assert said["openings"] == {"the key in the current ring": 0}
    assert list(said["stages"]) == ["replaced", "retired", "refused"]


def test_rotation_in_progress_does_not_bring_the_key_back(
    harness: SigningKeyHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = (harness.secret.document("AWSCURRENT") or {})["current"]
    token = harness.secret.begin_rotation()
    harness.run("createSecret", token)
    between_polls(monkeypatch, harness.ecs.complete_deployment)
    run()
    with pytest.raises(SafeError, match="neither pending nor current"):
        harness.run("finishSecret", token)
    assert not harness.verifies(key)


def test_run_that_was_interrupted_anywhere_is_finished_by_the_next(
    harness: SigningKeyHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poll(_: float) -> None:
        harness.clock.sleep(5)  # or new tasks would be as old as the secret's last change
        harness.ecs.complete_deployment()

    at, interrupted = 0, True
    while interrupted:
        at, interrupted = at + 1, False
        harness.clock.sleep(7200)  # ECS lists stopped tasks no longer
        key, versions = (harness.secret.document("AWSCURRENT") or {})["current"], len(harness.secret.history)
        harness.interruptions.arm(at, crash)
        monkeypatch.setattr("time.sleep", poll)
        try:
            run()
        except Crash:
            interrupted = True
        harness.interruptions.disarm()
        if interrupted:
            run()
        assert not harness.verifies(key)
        assert harness.secret.holder("LEAKED") is None
        # One that crashed after the retirement starts again: what leaked by then, no one knows.
        assert len(harness.secret.history) - versions <= 2
    assert at > 20


def test_rotation_between_an_interrupted_run_and_the_next_keeps_no_key(
    harness: SigningKeyHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run was cut off before it made a key; a rotation makes one next to the key that leaked."""
    key = (harness.secret.document("AWSCURRENT") or {})["current"]
    harness.secret.attach("LEAKED", str(harness.secret.holder("AWSCURRENT")))
    harness.rotate()
    assert harness.verifies(key)
    between_polls(monkeypatch, harness.ecs.complete_deployment, harness.ecs.complete_deployment)
    run()
    assert not harness.verifies(key)
    assert set(harness.secret.document("AWSCURRENT") or {}) == {"current"}


def test_deployment_that_failed_before_is_no_reason_to_wait(
    harness: SigningKeyHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    between_polls(monkeypatch, harness.ecs.fail_deployment, harness.ecs.complete_deployment)
    run()
    assert harness.reconcile().reconciled


def test_deployment_that_fails_is_reported(
    harness: SigningKeyHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    between_polls(monkeypatch, harness.ecs.fail_deployment, harness.ecs.fail_deployment)
    with pytest.raises(CliError, match="tasks with the leaked credential run on"):
        run()
    assert harness.secret.holder("LEAKED") is not None


def test_function_that_keeps_failing_ends_the_wait(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions.failure = "PostgreSQL refused: SQLSTATE 53100"
    between_polls(monkeypatch, *[lambda: None] * 4)
    with pytest.raises(CliError, match="SQLSTATE 53100"):
        run()


def test_credential_that_still_opens_something_is_reported(
    harness: SigningKeyHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaked, "_REFUSAL_TIMEOUT", timedelta(0))
    monkeypatch.setattr(harness.strategy, "openings", lambda _: {"log-in at the cluster": 1})
    between_polls(monkeypatch, harness.ecs.complete_deployment)
    with pytest.raises(CliError, match="'Leaked credential refused' did not end") as caught:
        run()
    assert caught.value.detail == "  1  log-in at the cluster"
    assert harness.secret.holder("LEAKED") is not None


def test_tasks_that_a_deployment_only_keeps_are_stopped(
    harness: SigningKeyHarness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    releases = ServiceDeployments(harness.clock.now())
    deploy_by(harness, releases, monkeypatch)
    errand, old = harness.ecs.start_task("family:errand"), list(harness.ecs.live_tasks)
    stopping: list[str] = []

    def move_traffic() -> None:
        assert all(task.wanted for task in old)
        releases.deployment |= {"lifecycleStage": "BAKE_TIME", "createdAt": harness.clock.now()}

    def end() -> None:
        stopping.extend(task.arn for task in old if not task.wanted)
        harness.ecs.begin_to_stop(errand)
        harness.ecs.complete_deployment()

    between_polls(monkeypatch, move_traffic, end)
    run()
    assert sorted(stopping) == sorted(task.arn for task in old if task is not errand)
    assert f"aws ecs stop-task --cluster {CLUSTER} --task {errand.arn[-32:]}" in capsys.readouterr().err


def test_release_of_before_bakes_undisturbed(
    harness: SigningKeyHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All tasks are old ones then, and no others would serve if they were stopped."""
    releases = ServiceDeployments(harness.clock.now() - timedelta(minutes=5), lifecycleStage="BAKE_TIME")
    deploy_by(harness, releases, monkeypatch)
    tasks = list(harness.ecs.live_tasks)

    def end() -> None:
        assert all(task.wanted for task in tasks)
        releases.deployment["status"] = "SUCCESSFUL"
        harness.ecs.complete_deployment()

    between_polls(monkeypatch, end)
    run()
    assert harness.reconcile().reconciled
