"""`./gantry rotate`: starts a rotation and follows it to the retirement of the old credential."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from contract import log_groups
from contract.secrets import RotatingSecret
from ops.aws import Environment, connect, time_of
from ops.console import CliError, Phase, err, out, phase
from ops.rotated_secrets import version_ids

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_secretsmanager.type_defs import DescribeSecretResponseTypeDef

_POLL_SECONDS = 0.5
_STEPS_TIMEOUT = timedelta(minutes=20)  # a step's function may run for 15
_TASKS_TIMEOUT = timedelta(minutes=30)
# One that has not ended by then has failed: there are four steps.
ABANDONED_AFTER = timedelta(minutes=65)
_SCHEDULE_TEST_SECONDS = 20.0
# The label that the rotation functions put on a version once nothing else logs in.
_RECONCILED = "RECONCILED"
_FAILED = "failed"  # what they say of a step that failed
_STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
# What Lambda says of a function that was ended before it could say anything itself.
_ENDED = ("Task timed out", "Runtime exited", "Runtime.ImportModuleError", "Runtime.OutOfMemory")


@dataclass
class Report:
    """How a rotation went; seconds since its start for each stage that was reached."""

    secret: str
    version: str
    stages: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Rotation:
    """A rotation that has begun, to the version that it makes."""

    environment: Environment
    secret: RotatingSecret
    arn: str
    version: str
    began: float
    since: int = 0  # milliseconds since 1970: what the function said before is of an earlier attempt

    @property
    def client(self) -> "SecretsManagerClient":
        """A Secrets Manager client."""
        return self.environment.secrets

    def labels(self) -> dict[str, str]:
        """Return the version of each label."""
        return version_ids(self.client, self.arn)


def run(secret: RotatingSecret, *, environment: str, wait: bool, as_json: bool) -> None:
    """Rotate a secret; with `wait`, follow the steps, the new tasks and the retirement.

    Raises
    ------
    CliError
        When the rotation cannot be started, or a step fails or does not end in time; it carries what the
        function said.
    """
    connected = connect(environment)
    rotation = start(connected, secret, connected.outputs(secret.facts.layer)[secret.output])
    report = Report(secret=secret.value, version=rotation.version)
    if wait:
        _follow_to_the_end(rotation, report)
    if as_json:
        out.print_json(json.dumps(report, default=vars))
    elif not wait:
        err.print(
            "The rotation has begun. As long as it lasts, "
            f"`./gantry rotate {secret.value} -e {environment} --wait` follows it; later it begins another."
        )
        out.print(rotation.version)


def start(environment: Environment, secret: RotatingSecret, arn: str) -> Rotation:
    """Start a rotation, or join the one that is in progress.

    Raises
    ------
    CliError
        When the secret has no rotation.
    """
    client = environment.secrets
    description = client.describe_secret(SecretId=arn)
    if not description.get("RotationEnabled"):
        raise CliError(f"{description['Name']} has no rotation.", remedy="Deploy the security layer first.")
    began = time.monotonic()
    pending = _pending(description)
    if pending is not None and _is_abandoned(client, arn, pending):
        # At AWS a version that a failed rotation left behind blocks every later one.
        err.print(f"Version {pending} was left behind by a rotation that failed; starting again.")
        client.update_secret_version_stage(
            SecretId=arn, VersionStage="AWSPENDING", RemoveFromVersionId=pending
        )
    elif pending is not None and _stays(client, arn, pending):
        made = _made_at(client, arn, pending) or datetime.now(UTC)
        return _joined(Rotation(environment, secret, arn, pending, began, int(made.timestamp() * 1000)))
    answer = client.rotate_secret(SecretId=arn)
    since = int((time_of(answer).timestamp() - 1) * 1000)
    return Rotation(environment, secret, arn, answer["VersionId"], began, since)


def _joined(rotation: Rotation) -> Rotation:
    """Follow a rotation that is in progress; have it attempted again if it failed."""
    said = _said(rotation)
    if _failure(said) is None:
        err.print(f"A rotation is in progress (version {rotation.version}); following that one.")
        return rotation
    err.print(f"The rotation to version {rotation.version} has failed; it is attempted again.")
    # "A previous rotation isn't complete. That rotation will be reattempted."
    with suppress(rotation.client.exceptions.InvalidRequestException):
        rotation.client.rotate_secret(SecretId=rotation.arn)
    return replace(rotation, since=said[-1].timestamp + 1)


def _pending(description: "DescribeSecretResponseTypeDef") -> str | None:
    for version, labels in description["VersionIdsToStages"].items():
        if "AWSPENDING" in labels and "AWSCURRENT" not in labels:
            return version
    return None


def _stays(client: "SecretsManagerClient", arn: str, pending: str) -> bool:
    """Return whether a pending version is a rotation's: that of a new schedule's test is gone in seconds."""
    deadline = time.monotonic() + _SCHEDULE_TEST_SECONDS
    while time.monotonic() < deadline:
        if _pending(client.describe_secret(SecretId=arn)) != pending:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _is_abandoned(client: "SecretsManagerClient", arn: str, pending: str) -> bool:
    made = _made_at(client, arn, pending)
    return made is None or datetime.now(UTC) - made > ABANDONED_AFTER


def _made_at(client: "SecretsManagerClient", arn: str, pending: str) -> datetime | None:
    versions = client.list_secret_version_ids(SecretId=arn, IncludeDeprecated=True)["Versions"]
    return next((each["CreatedDate"] for each in versions if each["VersionId"] == pending), None)


def follow_steps(rotation: Rotation, report: Report) -> None:
    """Show each step of a rotation while it lasts.

    Raises
    ------
    CliError
        When one fails or does not end in time.
    """
    _follow(
        rotation,
        report,
        ("created", "createSecret", lambda: _has_done(rotation, "createSecret"), _STEPS_TIMEOUT),
        ("valid", "setSecret", lambda: _has_done(rotation, "setSecret"), _STEPS_TIMEOUT),
        ("tested", "testSecret", lambda: _has_done(rotation, "testSecret"), _STEPS_TIMEOUT),
        ("current", "finishSecret", lambda: _is_current(rotation), _STEPS_TIMEOUT),
    )


def _follow_to_the_end(rotation: Rotation, report: Report) -> None:
    follow_steps(rotation, report)
    _follow(rotation, report, ("deployed", "New tasks", lambda: _is_deployed(rotation), _TASKS_TIMEOUT))
    if rotation.secret.is_key_ring:
        err.print("The previous key verifies old sessions until they have ended; then it is retired.")
        return
    retired = ("retired", "Old credential retired", lambda: _is_reconciled(rotation), _TASKS_TIMEOUT)
    _follow(rotation, report, retired)


def _follow(
    rotation: Rotation, report: Report, *stages: tuple[str, str, Callable[[], bool], timedelta]
) -> None:
    for name, label, reached, limit in stages:
        with phase(label) as current:
            _wait_for(rotation, reached, current, limit)
        report.stages[name] = round(time.monotonic() - rotation.began, 1)


def _is_current(rotation: Rotation) -> bool:
    labels = rotation.labels()
    # A signing key that was retired in the meantime has left a ring without it as the current version.
    return rotation.version in (labels.get("AWSCURRENT"), labels.get("AWSPREVIOUS"))


def _has_done(rotation: Rotation, step: str) -> bool:
    """Return whether a step is done, by the function's log, which may be late, or by what follows from it."""
    if _is_current(rotation):
        return True
    later = _STEPS[_STEPS.index(step) :]
    return any(line.step in later and (line.step != step or not line.failure) for line in _said(rotation))


@dataclass(frozen=True)
class _Line:
    """What the function said of a step of the rotation; `failure` is empty when it did not fail."""

    timestamp: int
    text: str
    step: str = ""
    failure: str = ""


def _parsed(timestamp: int, text: str, version: str) -> _Line | None:
    """Return a line of the function's log if it is about the version, or about its own end."""
    with suppress(ValueError):
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("version") != version:
            return None
        failed = document.get("message") == _FAILED
        failure = str(document.get("failure") or "without a reason") if failed else ""
        return _Line(timestamp, text, step=str(document.get("step")), failure=failure)
    return _Line(timestamp, text, failure=text) if any(end in text for end in _ENDED) else None


def _failure(said: Sequence[_Line]) -> str | None:
    """Return which step failed and how, if that is the last that was said."""
    if not said or not said[-1].failure:
        return None
    step = said[-1].step or next((line.step for line in reversed(said) if line.step), "")
    return f"{step or 'The function'} failed: {said[-1].failure}"


def _is_reconciled(rotation: Rotation) -> bool:
    labels = rotation.labels()
    return any(
        version == rotation.version for label, version in labels.items() if label.startswith(_RECONCILED)
    )


def _is_deployed(rotation: Rotation) -> bool:
    """Return whether no task uses the previous version, or every deployment that was asked for has ended."""
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


def _wait_for(rotation: Rotation, reached: Callable[[], bool], current: Phase, limit: timedelta) -> None:
    deadline = time.monotonic() + limit.total_seconds()
    while not reached():
        if failure := _failure(_said(rotation)):
            raise CliError(
                f"{failure}\nThe service goes on with the credential that it has.",
                remedy="docs/rotation.md says what each failure means; remove its cause, then run "
                f"`./gantry rotate {rotation.secret.value} --wait` again.",
            )
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


def _what_the_function_said(rotation: Rotation) -> str:
    said = "\n".join(line.text for line in _said(rotation))
    return said or f"The function said nothing of version {rotation.version}."


def _said(rotation: Rotation) -> list[_Line]:
    """Return what the function said of the version, if it said anything yet and its log may be read."""
    function = log_groups.function(log_groups.rotation(rotation.secret))
    group = rotation.environment.settings.log_group_prefix + function
    with suppress(ClientError):
        pages = rotation.environment.logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=rotation.since
        )
        lines = (
            _parsed(event["timestamp"], text, rotation.version)
            for page in pages
            for event in page["events"]
            for text in event["message"].splitlines()
        )
        return [line for line in lines if line]
    return []
