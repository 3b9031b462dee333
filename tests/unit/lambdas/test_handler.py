"""What the function answers to whom, and that it shows no one a secret."""

import json
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from contract.database import LOGIN_ROLES
from gantry_runtime.failures import SafeError
from rotation import handler as function
from rotation.wiring import assemble
from tests.aws.harness import SigningKeyHarness
from tests.aws.secrets_manager import STEPS
from tests.aws.service_deployments import ServiceDeployments

CONTEXT = object()


@pytest.fixture
def harness() -> Iterator[SigningKeyHarness]:
    made = SigningKeyHarness()
    function._parts.cache_clear()
    with (
        mock.patch.dict(os.environ, made.environ),
        mock.patch("rotation.wiring.Clock", return_value=made.clock),
    ):
        yield made
    function._parts.cache_clear()
    made.close()


def step(harness: SigningKeyHarness, name: str, token: str, secret: str | None = None) -> object:
    event = {"Step": name, "SecretId": secret or harness.secret.arn, "ClientRequestToken": token}
    return function.handler(event, CONTEXT)


def metrics(output: str) -> dict[str, float]:
    documents = [json.loads(line) for line in output.splitlines() if '"_aws"' in line]
    assert documents
    definition = documents[-1]["_aws"]["CloudWatchMetrics"][0]
    assert definition["Namespace"] == "Gantry"
    assert [sorted(names) for names in definition["Dimensions"]] == [["Secret", "service"]]
    assert (documents[-1]["service"], documents[-1]["Secret"]) == ("rotation", "signing-key")
    return {metric["Name"]: documents[-1][metric["Name"]][0] for metric in definition["Metrics"]}


def test_secrets_manager_drives_the_steps(harness: SigningKeyHarness) -> None:
    token = harness.secret.begin_rotation()
    assert [step(harness, name, token) for name in STEPS] == [None] * 4
    assert harness.secret.holder("AWSCURRENT") == token


@pytest.mark.parametrize(
    "event", [{"source": "aws.events"}, {"source": "aws.ecs", "detail": {"lastStatus": "STOPPED"}}, {}]
)
def test_everyone_else_has_it_reconcile_the_secret(harness: SigningKeyHarness, event: dict[str, Any]) -> None:
    harness.rotate()
    report = function.handler(event, CONTEXT)
    assert report is not None
    assert (report["name"], report["replacement"], report["tasks"]) == ("signing-key", "in progress", 2)
    json.dumps(report)


def test_release_that_never_starts_is_stopped_whatever_the_secret_needs(
    harness: SigningKeyHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases = ServiceDeployments(harness.clock.now())
    for name in ("list_service_deployments", "describe_service_deployments", "stop_service_deployment"):
        monkeypatch.setattr(harness.ecs, name, getattr(releases, name), raising=False)
    monkeypatch.setenv("RELEASE_SECONDS", "1080")
    function.handler({}, CONTEXT)
    assert releases.deployment["status"] == "IN_PROGRESS"
    harness.clock.sleep(1080)
    function.handler({}, CONTEXT)
    assert releases.deployment["status"] == "ROLLBACK_REQUESTED"


def test_other_secret_is_refused(harness: SigningKeyHarness) -> None:
    other = "arn:aws:secretsmanager:us-east-1:000000000000:secret:other-AbCdEf"
    with pytest.raises(function.RotationFailedError, match=f"rotates {harness.secret.arn} and not {other}"):
        step(harness, "createSecret", harness.secret.begin_rotation(), other)


def test_metrics_show_age_and_overdue_retirement(
    harness: SigningKeyHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    harness.rotate()
    harness.clock.sleep(8 * 86400)
    function.handler({}, CONTEXT)
    said = metrics(capsys.readouterr().out)
    assert said["DaysSinceRotation"] == pytest.approx(8, rel=0.01)
    assert said["HoursPreviousCredentialActive"] == pytest.approx(24, rel=0.01)
    harness.reconcile_fully()
    function.handler({}, CONTEXT)
    assert metrics(capsys.readouterr().out)["HoursPreviousCredentialActive"] == 0


def test_secret_that_is_touched_every_day_does_not_hide_a_key_that_stays(
    harness: SigningKeyHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever tags a secret moves the time of its last change, and with it the time of the retirement."""
    harness.rotate()
    harness.ecs.complete_deployment()
    for _ in range(20):
        harness.clock.sleep(86400)
        harness.secret.changed = harness.clock.now()
        function.handler({}, CONTEXT)
        harness.ecs.complete_deployment()
    active = metrics(capsys.readouterr().out)["HoursPreviousCredentialActive"]
    assert active == pytest.approx(13 * 24, rel=0.01)


def test_failure_carries_nothing_of_what_caused_it(harness: SigningKeyHarness) -> None:
    token = harness.secret.begin_rotation()
    with (
        mock.patch("rotation.signing_key.random_text", side_effect=ValueError("the-new-key")),
        pytest.raises(function.RotationFailedError) as caught,
    ):
        step(harness, "createSecret", token)
    assert str(caught.value).startswith("ValueError at mock.py:")
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_unknown_strategy_is_named() -> None:
    with pytest.raises(SafeError, match="STRATEGY must be one of database, valkey, signing-key, not 'x'"):
        assemble({"STRATEGY": "x"}, function.logger)


def test_each_service_has_one_client() -> None:
    names = ("SECRET_ARN", "CLUSTER", "SERVICE", "ROTATOR_SECRET_ARN", "DATABASE_CLUSTER", "PROXY_HOST")
    proxy = {f"PROXY_{role.upper()}_SECRET_ARN": role for role in LOGIN_ROLES}
    environ = {"STRATEGY": "database", "RELEASE_SECONDS": "60"} | dict.fromkeys(names, "x") | proxy
    with mock.patch("boto3.client") as client:
        assemble(environ, function.logger)
    assert sorted(call.args[0] for call in client.call_args_list) == ["ecs", "rds", "secretsmanager"]
