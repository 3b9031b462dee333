"""State is written shortly after it changed."""

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ministack import app

from sandbox.plugin.persistence import StateKeeper, _observed

Services = dict[str, Any]


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    """States of services, as ministack hands them out."""
    states: Services = {"sns": {"topics": 1}, "sqs": {"queues": 1}}
    monkeypatch.setattr(
        app, "_build_persistence_save_dict", lambda: {key: lambda key=key: states[key] for key in states}
    )
    return states


def payload(folder: Path, key: str) -> object:
    file = folder / f"{key}.json"
    return json.loads(file.read_text())["payload"] if file.exists() else None


def wait_for(folder: Path, key: str, expected: object) -> None:
    deadline = time.monotonic() + 10
    while payload(folder, key) != expected:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_changed_service_is_written_and_no_other(services: Services, tmp_path: Path) -> None:
    keeper = StateKeeper(tmp_path)
    keeper.start()
    keeper.changed("sns")
    wait_for(tmp_path, "sns", {"topics": 1})
    assert payload(tmp_path, "sqs") is None
    services["sns"] = {"topics": 2}
    keeper.changed("sns")
    wait_for(tmp_path, "sns", {"topics": 2})


def test_what_did_not_change_is_not_written_again(services: Services, tmp_path: Path) -> None:
    keeper = StateKeeper(tmp_path)
    keeper.save("sns")
    first = (tmp_path / "sns.json").stat().st_ino
    keeper.save("sns")
    assert (tmp_path / "sns.json").stat().st_ino == first
    services["sns"] = {}
    keeper.save("sns")
    assert (tmp_path / "sns.json").stat().st_ino != first


@pytest.mark.usefixtures("services")
def test_everything_can_be_written(tmp_path: Path) -> None:
    keeper = StateKeeper(tmp_path)
    keeper.start()
    keeper.everything_changed(within=0)
    wait_for(tmp_path, "sns", {"topics": 1})
    wait_for(tmp_path, "sqs", {"queues": 1})


def test_a_copy_that_fails_because_the_state_changed_is_made_again(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = iter([RuntimeError("dictionary changed size during iteration")])

    def get_state() -> object:
        for error in attempts:
            raise error
        return services["sns"]

    monkeypatch.setattr(app, "_build_persistence_save_dict", lambda: {"sns": get_state})
    StateKeeper(tmp_path).save("sns")
    assert payload(tmp_path, "sns") == {"topics": 1}


@pytest.mark.usefixtures("services")
def test_a_change_is_on_disk_before_it_is_answered(tmp_path: Path) -> None:
    async def handler(*_: object) -> tuple[int, Any, Any]:
        return 200, {}, b""

    keeper = StateKeeper(tmp_path)  # nothing that would be written later
    observed = _observed(handler, "sns", keeper)

    async def request(method: str, headers: dict[str, str]) -> None:
        await observed(method, "/", headers, b"", {})

    asyncio.run(request("GET", {}))
    assert payload(tmp_path, "sns") is None
    asyncio.run(request("POST", {"x-amz-target": "SNS.CreateTopic"}))
    assert payload(tmp_path, "sns") == {"topics": 1}


@pytest.mark.usefixtures("services")
def test_what_could_not_be_written_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.plugin.persistence._RETRY_SECONDS", 0.1)
    folder = tmp_path / "full"
    folder.write_text("no folder")
    keeper = StateKeeper(folder)
    keeper.start()
    keeper.save("sns")
    folder.unlink()
    wait_for(folder, "sns", {"topics": 1})


def test_a_service_is_written_while_another_takes_its_time(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, goes_on = threading.Event(), threading.Event()

    def large() -> object:
        began.set()
        assert goes_on.wait(30)
        return services["sns"]

    monkeypatch.setattr(
        app, "_build_persistence_save_dict", lambda: {"sns": large, "sqs": lambda: services["sqs"]}
    )
    keeper = StateKeeper(tmp_path)
    saving = threading.Thread(target=keeper.save, args=["sns"])
    saving.start()
    assert began.wait(30)
    keeper.save("sqs")
    assert payload(tmp_path, "sqs") == {"queues": 1}
    goes_on.set()
    saving.join()


def test_the_longer_a_state_takes_the_less_often_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def large() -> object:
        time.sleep(0.2)
        return {}

    monkeypatch.setattr(app, "_build_persistence_save_dict", lambda: {"cloudwatch_logs": large})
    keeper = StateKeeper(tmp_path)
    keeper.save("cloudwatch_logs")
    before = time.monotonic()
    keeper.changed("cloudwatch_logs")
    assert keeper._due["cloudwatch_logs"] - before >= 20 * 0.2
