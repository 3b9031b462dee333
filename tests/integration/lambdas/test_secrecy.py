"""No secret value ever leaves a function: not in a log, an error, a metric, or the server's log."""

import json
import logging
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from rotation import handler as function
from sandbox.postgres import PostgresServer
from tests.aws import servers
from tests.aws.harness import CacheHarness, DatabaseHarness, Harness, SigningKeyHarness
from tests.aws.secrets_manager import STEPS

KINDS = ("database", "cache", "signing-key")
# What a stranger might put in the place of the next version.
STRANGE: list[dict[str, Any]] = [
    {"username": "master", "password": "stranger-" * 6},
    {"host": "elsewhere.example.com", "password": "stranger-" * 6},
    {"password": ["stranger-"] * 6},
    {"password": None, "current": 7},
    {"current": "stranger-" * 8, "previous": "stranger-" * 8},
]


@pytest.fixture(params=KINDS)
def harness(
    request: pytest.FixtureRequest, database: PostgresServer, cache: servers.Cache
) -> Iterator[Harness]:
    made = {
        "database": lambda: DatabaseHarness(database),
        "cache": lambda: CacheHarness(cache),
        "signing-key": SigningKeyHarness,
    }[request.param]()
    function._parts.cache_clear()
    with (
        mock.patch.dict(os.environ, made.environ),
        mock.patch("rotation.wiring.Clock", return_value=made.clock),
    ):
        yield made
    function._parts.cache_clear()
    made.close()


def invoke(harness: Harness, step: str | None, token: str = "") -> str:
    """Invoke the function; return all that its caller learns."""
    event = {"Step": step, "SecretId": harness.secret.arn, "ClientRequestToken": token} if step else {}
    try:
        return json.dumps(function.handler(event, object()))
    except function.RotationFailedError as error:
        return "".join(traceback.format_exception(error))


def live(harness: Harness) -> str:
    """Go through rotations that succeed, fail anywhere, or meet surprises; return all that was said."""
    said = ""
    for at in range(1, 60, 3):
        for step in STEPS:
            harness.interruptions.arm(
                at, lambda: (_ for _ in ()).throw(ValueError(str(harness.secret.history)))
            )
            said += invoke(harness, step, harness.secret.begin_rotation())
            harness.interruptions.disarm()
        said += invoke(harness, None)
        harness.ecs.complete_deployment()
        harness.clock.sleep(8 * 86400)
        said += invoke(harness, None)
    for strange in STRANGE:
        harness.secret.detach("AWSPENDING")
        token = harness.secret.begin_rotation()
        document = {**(harness.secret.document("AWSCURRENT") or {}), **strange}
        harness.secret.put(token, json.dumps(document), "AWSPENDING")
        said += "".join(invoke(harness, step, token) for step in STEPS)
    harness.secret.detach("AWSPENDING")
    token = harness.secret.begin_rotation()
    harness.secret.put(token, "{}", "AWSPENDING")
    return said + "".join(invoke(harness, step, token) for step in STEPS) + invoke(harness, None)


def secrets_of(harness: Harness) -> set[str]:
    documents = [document for _, document in harness.secret.history]
    return {
        value
        for document in documents
        for name, value in document.items()
        if name in {"password", "current", "previous"} and isinstance(value, str)
    } | {"stranger-stranger-"}


def test_no_secret_is_said_to_anyone(
    harness: Harness,
    database: PostgresServer,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server_log_before = Path(database.log).stat().st_size
    with caplog.at_level(logging.DEBUG):
        said = live(harness)
    captured = capfd.readouterr()
    said += captured.out + captured.err + caplog.text
    said += Path(database.log).read_text()[server_log_before:]
    secrets = secrets_of(harness)
    assert len(secrets) > 5
    assert "failed" in said
    for secret in secrets:
        assert secret not in said
