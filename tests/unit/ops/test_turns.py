"""Commands that change the sandbox take turns."""

import re
import shutil
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ops import turns


def waits(turn: AbstractContextManager[None]) -> tuple[threading.Thread, threading.Event]:
    """Return a thread that takes a turn, and the event that it has it."""
    entered = threading.Event()

    def take() -> None:
        with turn:
            entered.set()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    return thread, entered


def test_second_command_waits_and_says_for_whom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with turns.alone("./gantry up", state_dir=tmp_path):
        threads = [waits(turns.alone("./gantry down", state_dir=tmp_path))]
        threads += [waits(turns.deploying("sandbox", state_dir=tmp_path))]
        assert not any(entered.wait(0.3) for _, entered in threads)
    assert all(entered.wait(10) for _, entered in threads)
    for thread, _ in threads:
        thread.join(10)
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(r"Waiting for `./gantry up` \(process \d+, since \d\d:\d\d:\d\d\)", said)


def test_only_one_deploys_an_environment_and_others_deploy_others(tmp_path: Path) -> None:
    with turns.deploying("prod", state_dir=tmp_path):
        _, other = waits(turns.deploying("dev", state_dir=tmp_path))
        assert other.wait(10)
        thread, same = waits(turns.deploying("prod", state_dir=tmp_path))
        assert not same.wait(0.3)
    thread.join(10)
    assert same.is_set()


def test_who_waited_while_the_data_was_removed_still_excludes_others(tmp_path: Path) -> None:
    state = tmp_path / "sandbox"
    with turns.alone("./gantry down", state_dir=state):
        thread, entered = waits(turns.alone("./gantry up", state_dir=state))
        assert not entered.wait(0.3)
        shutil.rmtree(state)
        with turns.alone("./gantry up", state_dir=state):
            pass  # the removed file binds no one
    thread.join(10)
    assert entered.is_set()
