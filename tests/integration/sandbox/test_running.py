"""A sandbox that runs, next to others."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from sandbox.lifecycle import Sandbox
from tests.integration.sandbox.emulator import Emulator, wait_until


def test_a_second_start_reuses_what_runs(emulator: Emulator) -> None:
    before = emulator.sandbox.status()
    emulator.sandbox.start()
    Sandbox(emulator.state_dir).start()
    assert emulator.sandbox.status() == before
    assert before.running


def test_two_sandboxes_run_side_by_side(emulator: Emulator, tmp_path: Path) -> None:
    other = Emulator(Sandbox(tmp_path / "other"), tmp_path / "other")
    other.sandbox.start()
    try:
        emulator.client("sns").create_topic(Name="mine")
        assert other.client("sns").list_topics()["Topics"] == []
        mine, others = emulator.sandbox.status(), other.sandbox.status()
        assert not set(mine.ports.values()) & set(others.ports.values())
        assert not set(mine.pids.values()) & set(others.pids.values())
    finally:
        other.sandbox.wipe()
    assert emulator.sandbox.status().running


def test_nothing_listens_beyond_the_loopback_interface(emulator: Emulator) -> None:
    connections = [
        each for pid in emulator.processes() for each in psutil.Process(pid).net_connections("inet")
    ]
    addresses = {each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}
    assert addresses == {"127.0.0.1"}


@pytest.mark.parametrize("name", ["server", "load_balancer"])
def test_what_is_killed_is_started_again_by_itself_and_nothing_else(emulator: Emulator, name: str) -> None:
    before = emulator.sandbox.status().pids
    os.kill(before[name], signal.SIGKILL)
    wait_until(lambda: emulator.sandbox.status().pids.get(name) != before[name])
    wait_until(lambda: emulator.sandbox.status().running)
    after = emulator.sandbox.status().pids
    assert {part for part in after if after[part] != before[part]} == {name}
    assert emulator.sandbox.problems() == []


def test_a_killed_supervisor_is_started_again_by_the_next_start(emulator: Emulator) -> None:
    before = emulator.sandbox.status().pids
    os.kill(before["supervisor"], signal.SIGKILL)
    wait_until(lambda: "supervisor" not in emulator.sandbox.status().pids)
    emulator.sandbox.start()
    after = emulator.sandbox.status().pids
    assert {part for part in after if after[part] != before[part]} == {"supervisor"}
