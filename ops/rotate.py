"""`./gantry rotate`: starts a rotation and follows it to the retirement of the old credential."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ops.aws import Environment, connect
from ops.console import CliError, Phase, err, out, phase
from ops.rotated_secrets import RotatedSecret

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_secretsmanager.type_defs import DescribeSecretResponseTypeDef

_POLL_SECONDS = 0.5
_STEPS_TIMEOUT = timedelta(minutes=10)
_TASKS_TIMEOUT = timedelta(minutes=30)
# One that has not ended by then has failed: a step's function may run for a minute, and there are four.
_ABANDONED_AFTER = timedelta(minutes=15)
_SCHEDULE_TEST_SECONDS = 20.0
# The label that the rotation functions put on a version once nothing else logs in.
_SETTLED = "SETTLED"
_FAILED = "failed"  # what they say of a step that failed


@dataclass
class Report:
    """How a rotation went; seconds since its start for each stage that was reached."""

    secret: str
    version: str
    stages: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Rotation:
    environment: Environment
    secret: RotatedSecret
    arn: str
    version: str
    began: float

    @property
    def client(self) -> "SecretsManagerClient":
        return self.environment.secrets

    def labels(self) -> dict[str, str]:
        """Return the version of each label."""
        stages = self.client.describe_secret(SecretId=self.arn)["VersionIdsToStages"]
        return {label: version for version, labels in stages.items() for label in labels}


def run(secret: RotatedSecret, *, environment: str, wait: bool, as_json: bool) -> None:
    """Rotate a secret; with `wait`, follow the steps, the new tasks and the retirement.

    Raises
    ------
    CliError
        When the rotation cannot be started, or does not end in time; it carries what the function said.
    """
    connected = connect(environment)
    layer, output = secret.output
    rotation = _start(connected, secret, connected.outputs(layer)[output])
    report = Report(secret=secret.value, version=rotation.version)
    if wait:
        _follow(rotation, report)
    if as_json:
        out.print_json(json.dumps(report, default=vars))
    elif not wait:
        err.print(f"The rotation has begun; follow it with `./gantry rotate {secret.value} --wait`.")
        out.print(rotation.version)


def _start(environment: Environment, secret: RotatedSecret, arn: str) -> _Rotation:
    client = environment.secrets
    description = client.describe_secret(SecretId=arn)
    if not description.get("RotationEnabled"):
        raise CliError(f"{description['Name']} has no rotation.", remedy="Deploy the security layer first.")
    began = time.monotonic()
    pending = _pending(description)
    if pending is not None and _is_abandoned(client, arn, pending):
        # At AWS a version that a failed rotation left behind blocks every later one.
        err.print(f"Version {pending} was left behind by a rotation that failed; starting anew.")
        client.update_secret_version_stage(
            SecretId=arn, VersionStage="AWSPENDING", RemoveFromVersionId=pending
        )
    elif pending is not None and _stays(client, arn, pending):
        err.print(f"A rotation is in progress (version {pending}); following that one.")
        return _Rotation(environment, secret, arn, pending, began)
    version = client.rotate_secret(SecretId=arn)["VersionId"]
    return _Rotation(environment, secret, arn, version, began)


def _pending(description: "DescribeSecretResponseTypeDef") -> str | None:
    for version, labels in description["VersionIdsToStages"].items():
        if "AWSPENDING" in labels and "AWSCURRENT" not in labels:
            return version
    return None


def _stays(client: "SecretsManagerClient", arn: str, pending: str) -> bool:
    """Tell whether a pending version is a rotation's: that of a new schedule's test is gone in seconds."""
    deadline = time.monotonic() + _SCHEDULE_TEST_SECONDS
    while time.monotonic() < deadline:
        if _pending(client.describe_secret(SecretId=arn)) != pending:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _is_abandoned(client: "SecretsManagerClient", arn: str, pending: str) -> bool:
    versions = client.list_secret_version_ids(SecretId=arn, IncludeDeprecated=True)["Versions"]
    made = next((each["CreatedDate"] for each in versions if each["VersionId"] == pending), None)
    return made is None or datetime.now(UTC) - made > _ABANDONED_AFTER


def _follow(rotation: _Rotation, report: Report) -> None:
    """Show each stage while it lasts."""
    stages: list[tuple[str, str, Callable[[], bool], timedelta]] = [
        ("created", "createSecret", lambda: rotation.version in _labelled(rotation), _STEPS_TIMEOUT),
        ("admitted", "setSecret", lambda: _has_done(rotation, "setSecret"), _STEPS_TIMEOUT),
        ("tested", "testSecret", lambda: _has_done(rotation, "testSecret"), _STEPS_TIMEOUT),
        ("current", "finishSecret", lambda: _is_current(rotation), _STEPS_TIMEOUT),
        ("deployed", "New tasks", lambda: _is_deployed(rotation), _TASKS_TIMEOUT),
    ]
    if rotation.secret is not RotatedSecret.SIGNING_KEY:
        stages.append(("retired", "Old credential retired", lambda: _is_settled(rotation), _TASKS_TIMEOUT))
    for name, label, reached, limit in stages:
        with phase(label) as current:
            _wait_for(rotation, reached, current, limit)
        report.stages[name] = round(time.monotonic() - rotation.began, 1)
    if rotation.secret is RotatedSecret.SIGNING_KEY:
        err.print("The previous key verifies old sessions until they have ended; then it is retired.")


def _labelled(rotation: _Rotation) -> set[str]:
    return set(rotation.labels().values())


def _is_current(rotation: _Rotation) -> bool:
    labels = rotation.labels()
    # A signing key that was retired in the meantime has left a ring without it as the current version.
    return rotation.version in (labels.get("AWSCURRENT"), labels.get("AWSPREVIOUS"))


def _has_done(rotation: _Rotation, step: str) -> bool:
    """Tell whether a step is done, by the function's log, which may be late, or by what follows from it."""
    if _is_current(rotation):
        return True
    said = map(_parsed, _log(rotation))
    return any(line.get("step") == step and line.get("message") != _FAILED for line in said)


def _parsed(line: str) -> dict[str, object]:
    with suppress(ValueError):
        document = json.loads(line)
        if isinstance(document, dict):
            return document
    return {}


def _is_settled(rotation: _Rotation) -> bool:
    return rotation.labels().get(_SETTLED) == rotation.version


def _is_deployed(rotation: _Rotation) -> bool:
    """Tell whether no task uses the previous version, or every deployment that was asked for has ended."""
    labels = rotation.labels()
    if "AWSPREVIOUS" not in labels or labels["AWSCURRENT"] != rotation.version:
        # Noticed by the rotation's function; a deployment that was in progress may have been enough.
        return True
    outputs = rotation.environment.outputs("compute")
    services = rotation.environment.ecs.describe_services(
        cluster=outputs["ClusterName"], services=[outputs["ServiceName"]]
    )["services"]
    deployments = services[0]["deployments"]
    started = datetime.now(UTC) - timedelta(seconds=time.monotonic() - rotation.began)
    newest = max(deployment["createdAt"] for deployment in deployments)
    return newest >= started.replace(microsecond=0) and all(
        deployment.get("rolloutState", "COMPLETED") == "COMPLETED" for deployment in deployments
    )


def _wait_for(rotation: _Rotation, reached: Callable[[], bool], current: Phase, limit: timedelta) -> None:
    deadline = time.monotonic() + limit.total_seconds()
    while not reached():
        if rotation.version not in rotation.labels().values():
            raise CliError(
                f"Version {rotation.version} is neither pending nor current now: it was given up.",
                detail=_what_the_function_said(rotation),
            )
        if time.monotonic() > deadline:
            raise CliError(
                f"'{current.label}' did not end within {limit}.",
                detail=_what_the_function_said(rotation),
                remedy="docs/rotation.md says what each alarm and failure means.",
            )
        current.note(f"version {rotation.version[:8]}")
        time.sleep(_POLL_SECONDS)


def _what_the_function_said(rotation: _Rotation) -> str:
    return "\n".join(_log(rotation)) or f"The function said nothing of version {rotation.version}."


def _log(rotation: _Rotation) -> list[str]:
    """Return what the function said of the version, if it said anything yet and may be listened to."""
    group = f"{rotation.environment.settings.log_group_prefix}lambda/rotation-{rotation.secret.value}"
    with suppress(ClientError):
        pages = rotation.environment.logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, filterPattern=f'"{rotation.version}"'
        )
        events = [event for page in pages for event in page["events"]]
        return [line for event in events for line in event["message"].splitlines()]
    return []
