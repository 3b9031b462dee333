import os
import pwd
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.processes import ProcessIdentity, bound_command


def test_a_process_is_known_by_its_start_too(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "60"])
    try:
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        assert identity.is_running()
        identity.save(tmp_path / "pid.json")
        assert ProcessIdentity.load(tmp_path / "pid.json") == identity
        assert not ProcessIdentity(pid=process.pid, started="another time").is_running()
    finally:
        process.kill()
    assert _ends(identity)  # even as a zombie
    process.wait()
    assert ProcessIdentity.of(process.pid) is None


def test_a_copied_file_leaves_the_original_alone_and_a_moved_one_names_the_same_process(
    tmp_path: Path,
) -> None:
    for folder in ("original", "copy", "moved"):
        (tmp_path / folder).mkdir()
    original, copy, moved = (tmp_path / folder / "pid.json" for folder in ("original", "copy", "moved"))
    ProcessIdentity.current().save(original, port=1)
    shutil.copy(original, copy)
    assert ProcessIdentity.load(original) == ProcessIdentity.current()
    assert ProcessIdentity.load(copy) is None
    original.replace(moved)
    assert ProcessIdentity.load(moved) == ProcessIdentity.current()
    # Another sandbox in the old place does not make it a copy.
    ProcessIdentity(pid=1, started="another time").save(original)
    assert ProcessIdentity.load(moved) == ProcessIdentity.current()


def test_a_stranger_with_the_same_id_is_neither_killed_nor_signalled() -> None:
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    stale = ProcessIdentity(pid=process.pid, started="another time")
    stale.kill_group()
    stale.signal(15)
    time.sleep(0.05)
    assert process.poll() is None
    process.kill()
    process.wait()


def test_killing_takes_the_whole_group() -> None:
    script = "import subprocess; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    leader = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    assert leader.stdout is not None
    child = ProcessIdentity.of(int(leader.stdout.readline()))
    identity = ProcessIdentity.of(leader.pid)
    assert child is not None
    assert identity is not None
    identity.kill_group()
    leader.communicate()
    assert _ends(child)


@pytest.mark.parametrize("content", ["", "{", '{"pid": 1}', "[]", '{"pid": "x", "started": ""}'])
def test_a_file_that_is_damaged_names_no_process(tmp_path: Path, content: str) -> None:
    (tmp_path / "pid.json").write_text(content)
    assert ProcessIdentity.load(tmp_path / "pid.json") is None
    assert ProcessIdentity.load(tmp_path / "missing.json") is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds a child to its parent")
def test_a_bound_process_ends_with_its_parent() -> None:
    script = (
        "import subprocess, sys, time; from sandbox.processes import bound_command; "
        "p = subprocess.Popen(bound_command(['sleep', '60'])); print(p.pid, flush=True); time.sleep(60)"
    )
    assert _ends(_orphan(script))


def _orphan(script: str) -> ProcessIdentity:
    """Return the child, which runs `sleep`, of a script that prints its id and is then killed."""
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    # It is the command itself, and not something that waits for it.
    while b"sleep" not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
        time.sleep(0.01)
    child = ProcessIdentity.of(pid)
    assert child is not None
    parent.kill()
    parent.communicate()
    return child


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root becomes another user")
def test_who_is_not_root_any_more_finds_files_below_a_folder_that_is_roots_alone(tmp_path: Path) -> None:
    (folder := tmp_path / "private").mkdir(mode=0o700)
    file = folder / "file"
    file.write_text("")
    # As PostgreSQL does: access(2) asks for the real user, and for its capabilities only under a condition.
    script = f"import os; print(os.getuid(), os.access({str(file)!r}, os.R_OK), open({str(file)!r}).read())"
    command = bound_command([sys.executable, "-c", script], user="nobody")
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.stdout.split() == [str(pwd.getpwnam("nobody").pw_uid), "True"], answer.stderr


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root becomes another user")
def test_who_is_not_root_any_more_still_ends_with_its_parent() -> None:
    script = (
        "import subprocess, time; from sandbox.processes import bound_command; "
        "p = subprocess.Popen(bound_command(['sleep', '60'], user='nobody')); print(p.pid, flush=True); "
        "time.sleep(60)"
    )
    assert _ends(_orphan(script))


def test_a_command_that_does_not_exist_says_so() -> None:
    answer = subprocess.run(bound_command(["no-such-program"]), capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stderr.strip() == f"cannot run no-such-program: {os.strerror(2)}"


def _ends(identity: ProcessIdentity) -> bool:
    deadline = time.monotonic() + 10
    while identity.is_running() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not identity.is_running()
