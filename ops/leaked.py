"""`./gantry rotate <secret> --leaked`: replaces a credential that others may have, and shows its refusal.

The version that leaked gets a label of its own first. It keeps the version readable until it was shown that
it opens nothing, and shows a second run, after an interruption, that the rotation has been.
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.padding import Padding

from contract.secrets import RotatingSecret
from ops import rotate
from ops.aws import Environment, connect
from ops.console import CliError, Phase, err, out, phase
from ops.old_tasks import OldTasks
from ops.rotated_secrets import version_ids
from ops.secret_function import FunctionError, call

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

_LABEL = "LEAKED"
_CURRENT, _PREVIOUS, _PENDING = "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"
_POLL_SECONDS = 2.0
# What a deployment takes besides what it waits on purpose, and ElastiCache's changes at their longest.
_TASKS_TIMEOUT = timedelta(minutes=30)
_RETIREMENT_TIMEOUT = timedelta(minutes=40)
# A database proxy reads its secrets late: lambdas/rotation/proxy.py.
_REFUSAL_TIMEOUT = timedelta(minutes=6)
_FAILURES = 5  # one after another of the function, which tries again what was in its way
# By strategy, what no function can look at.
_NOT_SHOWN = {
    "database": "The client connections of a database proxy cannot be listed; without a session "
    "of the database they reach nothing.",
    "cache": "Connections that are open still cannot be listed; the user has no right to any command.",
    "signing_key": "Everyone has to sign in again: no session that the key signed is honoured.",
}


@dataclass
class Report(rotate.Report):
    """How it went, and what the leaked version still opens: nothing, if every number is 0."""

    leaked: str = ""
    openings: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Leak:
    environment: Environment
    secret: RotatingSecret
    arn: str

    @property
    def _client(self) -> "SecretsManagerClient":
        return self.environment.secrets

    def labels(self) -> dict[str, str]:
        return version_ids(self._client, self.arn)

    def mark(self) -> str:
        """Label the current version as leaked, or find the one of a run that was interrupted."""
        labels = self.labels()
        holder, current = labels.get(_LABEL), labels[_CURRENT]
        if holder is not None and holder == labels.get(_PREVIOUS):
            err.print(
                f"Version {holder} was replaced by a run that did not end; going on with it. If the version "
                "after it has leaked, too, run this again afterwards."
            )
            return holder
        if holder != current:
            leaving = {"RemoveFromVersionId": holder} if holder else {}
            self._client.update_secret_version_stage(
                SecretId=self.arn, VersionStage=_LABEL, MoveToVersionId=current, **leaving
            )
        return current

    def is_replaced(self, version: str) -> bool:
        """Return whether another credential is the current one, by this command or by a rotation meanwhile.

        A rotation of the ring keeps the key of before for the lifetime of a session.
        """
        if self.labels()[_CURRENT] == version:
            return False
        return not self.secret.is_key_ring or not any(self.ask({"Openings": version}).values())

    def unmark(self, version: str) -> None:
        self._client.update_secret_version_stage(
            SecretId=self.arn, VersionStage=_LABEL, RemoveFromVersionId=version
        )

    def replace_ring(self) -> str:
        """Make a ring of one new key the current version; return its id.

        Not a rotation: that keeps the previous key for the lifetime of a session.
        """
        key = self._client.get_random_password(PasswordLength=64, ExcludePunctuation=True)["RandomPassword"]
        document = json.dumps({"current": key})
        version = self._client.put_secret_value(SecretId=self.arn, SecretString=document)["VersionId"]
        pending = self.labels().get(_PENDING)
        if pending not in (None, version):  # of a rotation that would bring the key back
            with suppress(self._client.exceptions.ClientError):  # the function gave it up first
                self._client.update_secret_version_stage(
                    SecretId=self.arn, VersionStage=_PENDING, RemoveFromVersionId=str(pending)
                )
        return version

    def ask(self, event: Mapping[str, str]) -> dict[str, Any]:
        """Call the secret's function.

        Raises
        ------
        FunctionError
            When it fails.
        """
        name = self._client.describe_secret(SecretId=self.arn)["RotationLambdaARN"]
        return call(self.environment, name, event, again=f"./gantry rotate {self.secret.value} --leaked")


def run(secret: RotatingSecret, *, environment: str, as_json: bool) -> None:
    """Replace a leaked credential, its tasks at once, end what it opened, and show that it is refused.

    Raises
    ------
    CliError
        When a part of that fails or does not end in time, or the credential still opens something.
    """
    connected = connect(environment)
    leak = _Leak(connected, secret, connected.outputs(secret.facts.layer)[secret.output])
    leaked = leak.mark()
    report = Report(secret=secret.value, version="", leaked=leaked)
    began = time.monotonic()
    if not leak.is_replaced(leaked):
        _replace(leak, report)
    report.version = leak.labels()[_CURRENT]
    _replace_tasks(leak, "Old tasks gone")
    report.stages["replaced"] = round(time.monotonic() - began, 1)
    with phase("Old credential retired") as current:
        _wait(leak, lambda: bool(leak.ask({})["reconciled"]), current, _RETIREMENT_TIMEOUT)
    report.stages["retired"] = round(time.monotonic() - began, 1)
    _show_refusal(leak, report)
    report.stages["refused"] = round(time.monotonic() - began, 1)
    leak.unmark(leaked)
    if as_json:
        out.print_json(json.dumps(asdict(report)))


def _replace(leak: _Leak, report: Report) -> None:
    """Make another version the current one."""
    if leak.secret.is_key_ring:
        with phase("A new key alone"):
            leak.replace_ring()
        return
    if _PREVIOUS in leak.labels():
        # A rotation would take the place of a credential that these tasks use.
        _replace_tasks(leak, "Tasks of an earlier rotation gone")
        with phase("Credential of an earlier rotation retired") as current:
            _wait(leak, lambda: bool(leak.ask({})["reconciled"]), current, _RETIREMENT_TIMEOUT)
    rotation = rotate.start(leak.environment, leak.secret, leak.arn)
    rotate.follow_steps(rotation, report)


def _replace_tasks(leak: _Leak, label: str) -> None:
    old_tasks = OldTasks(leak.environment, leak.arn)
    may_wait = True  # for half an hour, as the function would after a deployment that failed

    def gone() -> bool:
        nonlocal may_wait
        answer = leak.ask({})
        if answer["previous"] is None:
            return True
        if answer["replacement"] == "postponed" and may_wait:
            may_wait = False
            old_tasks.replace()
        elif answer["replacement"] == "postponed":
            raise CliError(
                "The deployment of new tasks failed: tasks with the leaked credential run on.",
                remedy="`aws ecs describe-services` says why new tasks fail (events). Remove the cause; "
                f"then run `./gantry rotate {leak.secret.value} --leaked` again.",
            )
        old_tasks.hurry()
        return False

    with phase(label) as current:
        limit = _TASKS_TIMEOUT + timedelta(minutes=leak.environment.settings.deployment.wait_minutes)
        _wait(leak, gone, current, limit)


def _show_refusal(leak: _Leak, report: Report) -> None:
    def refused() -> bool:
        report.openings = leak.ask({"Openings": report.leaked})
        return not any(report.openings.values())

    with phase("Leaked credential refused") as current:
        _wait(leak, refused, current, _REFUSAL_TIMEOUT, lambda: _table(report.openings))
    err.print(_table(report.openings), highlight=False)
    err.print(Padding(_NOT_SHOWN[leak.secret.facts.module], (0, 0, 0, 2)))


def _table(openings: Mapping[str, int]) -> str:
    return "\n".join(f"  {number}  {what}" for what, number in openings.items())


def _wait(
    leak: _Leak,
    reached: Callable[[], bool],
    current: Phase,
    limit: timedelta,
    evidence: Callable[[], str] = str,
) -> None:
    """Wait for something that the function brings about; it may fail a few times."""
    again = f"`./gantry rotate {leak.secret.value} --leaked` goes on where this stopped."
    deadline, failures, failure = time.monotonic() + limit.total_seconds(), 0, ""
    while True:
        try:
            if reached():
                return
            failures = 0
        except FunctionError as error:
            failures, failure = failures + 1, error.message
            if failures >= _FAILURES:
                raise
        if time.monotonic() > deadline:
            raise CliError(
                f"'{current.label}' did not end within {limit}.",
                detail=failure or evidence(),
                remedy="`./gantry status` shows tasks and deployment, docs/rotation.md says what may delay "
                f"them; {again}",
            )
        current.note(failure or "waiting")
        time.sleep(_POLL_SECONDS)
