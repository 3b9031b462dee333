"""`./gantry rotate rotator`: one call of a function, and after a leak the database's secret, too."""

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from contract.secrets import RotatingSecret
from ops import leaked, rotator
from ops.console import CliError
from tests.aws.transport import Answer

OPENINGS = {"sessions of gantry_rotator at host": 0}


@pytest.fixture(autouse=True)
def answer(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the function answers, which a test may change."""
    said: dict[str, Any] = {"Payload": OPENINGS}

    def invoke(**request: str | bytes) -> Answer:
        assert request["FunctionName"] == "database-roles"
        return said | {"Payload": io.BytesIO(json.dumps(said["Payload"]).encode())}

    environment = SimpleNamespace(
        functions=SimpleNamespace(invoke=invoke),
        outputs=lambda layer: {"data": {"DatabaseRolesFunction": "database-roles"}}[layer],
    )
    monkeypatch.setattr(rotator, "connect", lambda _: environment)
    return said


def test_what_the_old_password_opens_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    rotator.run(environment="sandbox", has_leaked=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["openings"] == OPENINGS


def test_database_follows_after_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced: list[RotatingSecret] = []
    monkeypatch.setattr(leaked, "run", lambda secret, **_: replaced.append(secret))
    rotator.run(environment="sandbox", has_leaked=True, as_json=True)
    assert replaced == [RotatingSecret.DATABASE]


def test_failure_is_reported_with_its_reason_and_nothing_follows(answer: dict[str, Any]) -> None:
    answer |= {
        "FunctionError": "Unhandled",
        "Payload": {"errorMessage": "PostgreSQL refused: SQLSTATE 53300"},
    }
    with pytest.raises(CliError, match="database-roles fails: PostgreSQL refused: SQLSTATE 53300"):
        rotator.run(environment="sandbox", has_leaked=True, as_json=True)
