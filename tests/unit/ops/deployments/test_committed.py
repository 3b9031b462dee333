"""An environment is found although the working tree's settings are broken."""

import subprocess
from pathlib import Path

import pytest

from ops.deployments.committed import settings_or_committed
from stacks.settings import CONFIG_DIR, SettingsError

GOOD = (CONFIG_DIR / "sandbox.toml").read_text()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    git(tmp_path, "init", "-q")
    commit(tmp_path, GOOD.replace("us-east-1", "eu-west-1"))
    commit(tmp_path, GOOD)
    return tmp_path


def git(tree: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(tree), *identity, *arguments]
    subprocess.run(command, check=True, capture_output=True)


def commit(tree: Path, text: str) -> None:
    write(tree, text)
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "settings")


def write(tree: Path, text: str) -> None:
    (tree / "config" / "sandbox.toml").write_text(text)


def test_settings_of_the_working_tree_come_first(tree: Path) -> None:
    write(tree, GOOD.replace("us-east-1", "eu-central-1"))
    assert settings_or_committed("sandbox", tree).region == "eu-central-1"


@pytest.mark.parametrize("broken", ["no toml = [", GOOD + "\n[invented]\nkey = 1\n"])
def test_newest_commit_that_can_be_used_takes_their_place(
    tree: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    write(tree, broken)
    assert settings_or_committed("sandbox", tree).region == "us-east-1"
    assert "are used to find it" in capsys.readouterr().err
    commit(tree, broken)
    assert settings_or_committed("sandbox", tree).region == "us-east-1"


def test_without_a_commit_the_message_is_that_of_the_working_tree(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    write(tmp_path, "no toml = [")
    with pytest.raises(SettingsError, match=r"sandbox\.toml"):
        settings_or_committed("sandbox", tmp_path)
