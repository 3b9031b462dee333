"""What is found of a machine that lacks something."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ProfileNotFound

from ops import doctor, preflight
from ops.console import CliError

_VERSION = doctor._version


def without_engine(architecture: str) -> None:
    raise CliError(f"no engine for {architecture}", remedy="install one")


def session(found: object) -> Callable[[], Any]:
    def get_credentials() -> object:
        if isinstance(found, Exception):
            raise found
        return found

    return lambda: SimpleNamespace(get_credentials=get_credentials)


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing but what `./gantry` brings."""
    monkeypatch.setattr(preflight, "check_engine", without_engine)
    monkeypatch.setattr(boto3, "Session", session(None))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(doctor, "_version", lambda *command: f"{command[0]} 1")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=9e9))


def outcomes(capsys: pytest.CaptureFixture[str], *, code: int) -> dict[str, str]:
    assert doctor.run(as_json=True) == code
    document = json.loads(capsys.readouterr().out)
    assert document["checklist"] == "doctor"
    return {each["name"]: each["outcome"] for line in document["lines"] for each in line["results"]}


def test_what_only_some_commands_need_may_be_absent(capsys: pytest.CaptureFixture[str]) -> None:
    found = outcomes(capsys, code=0)
    absent = {name for name, outcome in found.items() if outcome == "absent"}
    assert absent == {"AWS credentials", "container engine", "Session Manager"}
    assert set(found.values()) == {"ok", "absent"}


def test_what_every_command_needs_may_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_version", lambda *_: "")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1e9))
    found = outcomes(capsys, code=1)
    assert {name for name, outcome in found.items() if outcome == "failed"} == {"git", "node", "disk"}


def test_what_is_there_is_ok(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "check_engine", lambda _: None)
    monkeypatch.setattr(boto3, "Session", session(SimpleNamespace(method="sso")))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert set(outcomes(capsys, code=0).values()) == {"ok"}


def test_profile_that_does_not_exist_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boto3, "Session", session(ProfileNotFound(profile="work")))
    assert outcomes(capsys, code=1)["AWS credentials"] == "failed"


def test_program_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    assert _VERSION(sys.executable, "--version").startswith("Python 3")
    assert _VERSION(sys.executable, "-c", "import nothing_of_this_name") == ""
    assert _VERSION(str(tmp_path / "nothing")) == ""
