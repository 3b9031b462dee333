"""The service's environment: nothing half made is ever taken for whole."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ops import service_environment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "service"
    root.mkdir()
    (root / "requirements.txt").write_text("tiny==1.0\n")
    return root


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace what takes time: `venv` makes a Python, `pip` nothing."""
    commands: list[str] = []

    def run(command: list[str], requirements: Path, _log: Path) -> None:
        commands.append(command[2])
        python = requirements.parent / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch(mode=0o755)

    monkeypatch.setattr(service_environment, "_run", run)
    return commands


def test_is_made_once(folder: Path, ran: list[str]) -> None:
    assert service_environment.ensure(folder)
    assert not service_environment.ensure(folder)
    assert ran == ["venv", "pip"]


def test_one_that_another_command_makes_is_waited_for(
    folder: Path, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, began, goes_on = service_environment._run, threading.Event(), threading.Event()

    def run(*arguments: object) -> None:
        began.set()
        assert goes_on.wait(30)
        make(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(service_environment, "_run", run)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(service_environment.ensure, folder)
        assert began.wait(30)
        second = pool.submit(service_environment.ensure, folder)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.2)
        goes_on.set()
        assert (first.result(), second.result()) == (True, False)
    assert ran == ["venv", "pip"]


CHANGES: dict[str, Callable[[Path], object]] = {
    "other pins": lambda folder: (folder / "requirements.txt").write_text("tiny==2.0\n"),
    "a Python that is gone": lambda folder: (folder / ".venv" / "bin" / "python").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_is_made_again(folder: Path, ran: list[str], change: str) -> None:
    service_environment.ensure(folder)
    CHANGES[change](folder)
    assert service_environment.ensure(folder)
    assert ran == ["venv", "pip"] * 2


def test_of_a_moved_folder_is_made_again(folder: Path, ran: list[str]) -> None:
    service_environment.ensure(folder)
    assert service_environment.ensure(folder.rename(folder.parent / "moved"))
    assert ran == ["venv", "pip"] * 2


@pytest.mark.parametrize("interrupted", [1, 2])
def test_interrupted_is_made_again(
    folder: Path, ran: list[str], interrupted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    service_environment.ensure(folder)
    (folder / "requirements.txt").write_text("tiny==2.0\n")
    make = service_environment._run

    def run(*arguments: object) -> None:
        make(*arguments)  # type: ignore[arg-type]
        if len(ran) == 2 + interrupted:
            raise KeyboardInterrupt

    monkeypatch.setattr(service_environment, "_run", run)
    with pytest.raises(KeyboardInterrupt):
        service_environment.ensure(folder)
    # Back at the pins that the environment had before: what is there now is not theirs any more.
    (folder / "requirements.txt").write_text("tiny==1.0\n")
    assert service_environment.ensure(folder)
