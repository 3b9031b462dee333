"""Rotation of secrets: the four steps of the rotation function, at once or on schedule, as at AWS.

ministack's RotateSecret does not call the function, and it has neither CancelRotateSecret nor schedules.
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CancelRotateSecret.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-rotationschedule.html
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ministack.core.concurrency import spawn_background
from ministack.core.responses import new_uuid, request_scope
from ministack.services import eventbridge, lambda_svc, secretsmanager

from sandbox.plugin.patching import wrap
from sandbox.plugin.persistence import StateKeeper
from sandbox.plugin.resource_types import Properties, Provisioned, register, run_off_the_event_loop
from sandbox.plugin.responses import Action, Response, answer, error, failed, message
from sandbox.plugin.secretsmanager import (
    CURRENT,
    PENDING,
    Secret,
    add_version,
    amend,
    drop_version,
    find,
    version_with,
)

_logger = logging.getLogger(__name__)

_STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
_SCHEDULE_TICK_SECONDS = 30.0
_DAY_SECONDS = 86400
# Mark the version of a test, which AWS removes whatever happens to the test, and that of a rotation, which
# AWS goes on with.
_OF_A_TEST, _OF_A_ROTATION = "OfATest", "OfARotation"


class RotationError(Exception):
    """A step of a rotation failed; the message says which and how."""


class Rotations:
    """Rotations of secrets, each on a thread of its own.

    As at AWS, a rotation that fails leaves its version behind, labelled AWSPENDING; the next RotateSecret is
    refused then and attempts that rotation again. AWS also retries by itself at times that it does not
    document; the sandbox does not.

    Parameters
    ----------
    keeper
        Saves the state after every change, because none of them is a request.
    """

    def __init__(self, keeper: StateKeeper) -> None:
        self._keeper = keeper
        # By secret, the rotations that run, and whether each shall be attempted again if it fails.
        self._running: dict[str, bool] = {}
        # By secret, the end of a test of its function, whose version is labelled AWSPENDING meanwhile.
        self._tests: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def rotate(self, data: dict[str, Any]) -> Response:
        """Do what RotateSecret does."""
        secret = find(data.get("SecretId", ""))
        if secret is None:
            return error("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        function = data.get("RotationLambdaARN") or secret.get("RotationLambdaARN")
        if not function:
            return error(
                "InvalidRequestException", "No Lambda rotation function ARN is associated with this secret."
            )
        pending = version_with(secret, PENDING)
        if secret["ARN"] not in self._tests and pending not in {None, version_with(secret, CURRENT)}:
            self._start(secret, str(pending))
            return error(
                "InvalidRequestException",
                "A previous rotation isn't complete. That rotation will be reattempted.",
            )
        secret["RotationLambdaARN"] = function
        secret["RotationRules"] = data.get("RotationRules") or secret.get("RotationRules")
        secret["RotationEnabled"] = True
        secret["NextRotationDate"] = _next_rotation(secret)
        token = data.get("ClientRequestToken") or new_uuid()
        if data.get("RotateImmediately", True):
            self._start(secret, token)
        else:
            self._start_test(secret)
        self._keeper.changed("secretsmanager")
        return _answer(secret, VersionId=token)

    def cancel(self, data: dict[str, Any]) -> Response:
        """Do what CancelRotateSecret does: switch rotation off, and leave versions as they are."""
        secret = find(data.get("SecretId", ""))
        if secret is None:
            return error("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        secret["RotationEnabled"] = False
        secret["NextRotationDate"] = None
        self._keeper.changed("secretsmanager")
        pending = version_with(secret, PENDING)
        return _answer(secret, **({"VersionId": pending} if pending else {}))

    def follow_schedules(self) -> None:
        """Start the rotations that are due, on a thread."""
        for (account, region, _), secret in secretsmanager._secrets.all_items():
            for token, version in [*secret["Versions"].items()]:  # what ended with the sandbox
                if version.get(_OF_A_TEST):
                    drop_version(secret, token)
                if version.get(_OF_A_ROTATION):
                    with request_scope(account, region):
                        self._start(secret, token)
        threading.Thread(target=self._follow_schedules, name="rotation-schedules", daemon=True).start()

    def _follow_schedules(self) -> None:
        while True:
            time.sleep(_SCHEDULE_TICK_SECONDS)
            for (account, region, _), secret in secretsmanager._secrets.all_items():
                due = secret.get("NextRotationDate")
                if secret.get("RotationEnabled") and due and due <= time.time():
                    with request_scope(account, region):
                        self.rotate({"SecretId": secret["ARN"]})

    def _start(self, secret: Secret, token: str) -> None:
        with self._lock:
            if secret["ARN"] in self._running:
                self._running[secret["ARN"]] = True
                return
            self._running[secret["ARN"]] = False
        add_version(secret, token, label=PENDING)
        secret["Versions"][token][_OF_A_ROTATION] = True
        test = self._tests.get(secret["ARN"])
        spawn_background(self._run, secret, token, test, thread_name=f"rotation-{secret['Name']}")

    def _run(self, secret: Secret, token: str, test: threading.Event | None) -> None:
        if test is not None:
            test.wait()
        done = False
        while not done:
            succeeded = _attempt(secret, token)
            with self._lock:
                done = succeeded or not self._running[secret["ARN"]]
                if done:
                    del self._running[secret["ARN"]]
                else:
                    self._running[secret["ARN"]] = False
        secret["Versions"].get(token, {}).pop(_OF_A_ROTATION, None)
        secret["NextRotationDate"] = _next_rotation(secret)
        self._keeper.changed("secretsmanager")

    def _start_test(self, secret: Secret) -> None:
        # "Secrets Manager tests the rotation configuration by running the testSecret step [...]. The test
        # creates an AWSPENDING version of the secret and then removes it." (RotateSecret, RotateImmediately)
        token = new_uuid()
        current = version_with(secret, CURRENT)
        add_version(secret, token, label=PENDING, value=secret["Versions"].get(current))
        secret["Versions"][token][_OF_A_TEST] = True
        ended = self._tests[secret["ARN"]] = threading.Event()

        def test() -> None:
            try:
                _invoke(secret, token, "testSecret")
            except RotationError as reason:
                _logger.warning("Test of the rotation of %s: %s", secret["Name"], reason)
            finally:
                drop_version(secret, token)
                self._tests.pop(secret["ARN"], None)
                ended.set()
                self._keeper.changed("secretsmanager")

        spawn_background(test, thread_name=f"rotation-test-{secret['Name']}")


def install(keeper: StateKeeper) -> Rotations:
    """Make RotateSecret rotate, add CancelRotateSecret, and teach CloudFormation rotation schedules."""
    rotations = Rotations(keeper)

    @wrap(secretsmanager, "_rotate_secret")
    def rotate_secret(original: Action, data: dict[str, Any]) -> Response:
        del original
        return rotations.rotate(data)

    @wrap(secretsmanager, "_describe_secret")
    def describe_secret(original: Action, data: dict[str, Any]) -> Response:
        secret = find(data.get("SecretId", "")) or {}
        dates = {key: secret[key] for key in ("LastRotatedDate", "NextRotationDate") if secret.get(key)}
        return amend(original(data), **dates)

    @wrap(secretsmanager, "handle_request")
    async def handle_request(
        original: Callable[..., Any],
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        *rest: object,
    ) -> Response:
        if headers.get("x-amz-target", "").endswith(".CancelRotateSecret"):
            return rotations.cancel(json.loads(body))
        return await original(method, path, headers, body, *rest)  # type: ignore[no-any-return]

    _register_schedule(rotations)
    return rotations


def _register_schedule(rotations: Rotations) -> None:
    resource_type = "AWS::SecretsManager::RotationSchedule"

    def apply(properties: Properties) -> Provisioned:
        if "RotationLambdaARN" not in properties:
            raise ValueError(f"{resource_type}: the sandbox supports RotationLambdaARN only")
        request = {key: properties[key] for key in ("SecretId", "RotationLambdaARN", "RotationRules")}
        request["RotateImmediately"] = properties.get("RotateImmediatelyOnUpdate", True)
        response = rotations.rotate(request)
        if failed(response):
            raise ValueError(f"{resource_type}: {message(response)}")
        arn = json.loads(response[2])["ARN"]
        return arn, {"Id": arn}

    def create(logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        del logical_id, stack_name
        return apply(properties)

    def update(
        physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str | None
    ) -> Provisioned:
        del physical_id, old, stack_name, logical_id
        return apply(new)

    def delete(physical_id: str, properties: Properties) -> None:
        del properties
        rotations.cancel({"SecretId": physical_id})

    register(resource_type, create=create, update=update, delete=delete, replaces=("SecretId",))
    run_off_the_event_loop(resource_type)


def _attempt(secret: Secret, token: str) -> bool:
    try:
        for step in _STEPS:
            _invoke(secret, token, step)
    except RotationError as reason:
        _logger.warning("Rotation of %s to %s failed: %s", secret["Name"], token, reason)
        return False
    if version_with(secret, CURRENT) != token:
        _logger.warning("Rotation of %s to %s did not move AWSCURRENT", secret["Name"], token)
        return False
    secret["LastRotatedDate"] = time.time()
    _logger.info("Rotation of %s to %s succeeded", secret["Name"], token)
    return True


def _invoke(secret: Secret, token: str, step: str) -> None:
    record, config, name = lambda_svc._get_func_record_for_ref(secret["RotationLambdaARN"])
    if record is None or config is None:
        raise RotationError(f"{step}: there is no function {name}")
    event = {"Step": step, "SecretId": secret["ARN"], "ClientRequestToken": token}
    result = lambda_svc._execute_function_with_config_scope(
        lambda_svc._execution_record_for_config(record, config), event
    )
    if result.get("error"):
        raise RotationError(f"{step} of {name}: {json.dumps(result.get('body'))}")


def _next_rotation(secret: Secret) -> float | None:
    rules = secret.get("RotationRules") or {}
    now = time.time()
    if days := rules.get("AutomaticallyAfterDays"):
        return now + int(days) * _DAY_SECONDS
    expression = rules.get("ScheduleExpression", "")
    if interval := eventbridge._parse_rate_seconds(expression):
        return now + float(interval)
    if fields := eventbridge._parse_cron_fields(expression):
        moment = eventbridge._cron_next_fire(fields, datetime.fromtimestamp(now, tz=UTC))
        return float(moment.timestamp()) if moment else None
    return None


def _answer(secret: Secret, **members: str) -> Response:
    return answer({"ARN": secret["ARN"], "Name": secret["Name"], **members})
