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
from tests.aws.rigs import CacheRig, DatabaseRig, Rig, SigningKeyRig
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
def rig(request: pytest.FixtureRequest, database: PostgresServer, cache: servers.Cache) -> Iterator[Rig]:
    made = {
        "database": lambda: DatabaseRig(database),
        "cache": lambda: CacheRig(cache),
        "signing-key": SigningKeyRig,
    }[request.param]()
    function._parts.cache_clear()
    with (
        mock.patch.dict(os.environ, made.environ),
        mock.patch("rotation.wiring.Clock", return_value=made.clock),
    ):
        yield made
    function._parts.cache_clear()
    made.close()


def invoke(rig: Rig, step: str | None, token: str = "") -> str:
    """Invoke the function; return all that its caller learns."""
    event = {"Step": step, "SecretId": rig.secret.arn, "ClientRequestToken": token} if step else {}
    try:
        return json.dumps(function.handler(event, object()))
    except function.RotationFailedError as error:
        return "".join(traceback.format_exception(error))


def live(rig: Rig) -> str:
    """Go through rotations that succeed, fail anywhere, or meet what they did not expect; return all told."""
    told = ""
    for at in range(1, 60, 3):
        for step in STEPS:
            rig.interruptions.arm(at, lambda: (_ for _ in ()).throw(ValueError(str(rig.secret.history))))
            told += invoke(rig, step, rig.secret.begin_rotation())
            rig.interruptions.disarm()
        told += invoke(rig, None)
        rig.ecs.complete_deployment()
        rig.clock.sleep(8 * 86400)
        told += invoke(rig, None)
    for strange in STRANGE:
        rig.secret.detach("AWSPENDING")
        token = rig.secret.begin_rotation()
        document = {**(rig.secret.document("AWSCURRENT") or {}), **strange}
        rig.secret.put(token, json.dumps(document), "AWSPENDING")
        told += "".join(invoke(rig, step, token) for step in STEPS)
    rig.secret.detach("AWSPENDING")
    token = rig.secret.begin_rotation()
    rig.secret.put(token, "{}", "AWSPENDING")
    return told + "".join(invoke(rig, step, token) for step in STEPS) + invoke(rig, None)


def secrets_of(rig: Rig) -> set[str]:
    documents = [document for _, document in rig.secret.history]
    return {
        value
        for document in documents
        for name, value in document.items()
        if name in {"password", "current", "previous"} and isinstance(value, str)
    } | {"stranger-stranger-"}


def test_no_secret_is_told_to_anybody(
    rig: Rig,
    database: PostgresServer,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server_log_before = Path(database.log).stat().st_size
    with caplog.at_level(logging.DEBUG):
        told = live(rig)
    captured = capfd.readouterr()
    told += captured.out + captured.err + caplog.text
    told += Path(database.log).read_text()[server_log_before:]
    secrets = secrets_of(rig)
    assert len(secrets) > 5
    assert "failed" in told
    for secret in secrets:
        assert secret not in told
