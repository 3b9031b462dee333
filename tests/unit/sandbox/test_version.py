"""A sandbox that runs other code than the checkout's is known."""

from pathlib import Path

import pytest

from sandbox import version


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (
        "sandbox/server.py",
        "sandbox/plugin/rds.py",
        "requirements-sandbox.txt",
        "package-lock.json",
    ):
        file = tmp_path / "checkout" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path / "checkout"


def test_sandbox_without_a_record_is_not_current(tmp_path: Path, checkout: Path) -> None:
    assert not version.is_current(tmp_path, root=checkout)


@pytest.mark.parametrize(
    "name", ["sandbox/plugin/rds.py", "sandbox/new.py", "requirements-sandbox.txt", "package-lock.json"]
)
def test_changed_code_or_pin_is_noticed(tmp_path: Path, checkout: Path, name: str) -> None:
    version.record_start(tmp_path, root=checkout)
    assert version.is_current(tmp_path, root=checkout)
    (checkout / name).write_text("changed")
    version._digest.cache_clear()
    assert not version.is_current(tmp_path, root=checkout)


def test_sources_and_pins_of_this_checkout_are_there(tmp_path: Path) -> None:
    version.record_start(tmp_path)
    assert version.is_current(tmp_path)
