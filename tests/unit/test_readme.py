"""README's commands: `.ci/readme` runs each as it is written, on the bare machine of the long tests."""

import importlib.machinery
import importlib.util
import re
import sys
from types import ModuleType

import pytest

from tests.pages import ROOT, commands

TEXT = (ROOT / "README.md").read_text()
# What sentences name and no run takes from README, and why.
NOT_RUN = {
    ("bench",): "measures this machine",
    ("bench", "rotation"): "measures this machine",
    ("cdk", "bootstrap"): "changes an account on AWS",
    ("cdk", "deploy"): "changes an account on AWS",
    ("test", "--long"): "is in .ci/run",
}


@pytest.fixture(scope="module")
def readme() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("readme", str(ROOT / ".ci" / "readme"))
    spec = importlib.util.spec_from_loader("readme", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_every_command_of_gantry_is_run(readme: ModuleType) -> None:
    run = {tuple(command.split()[1:3]) for command in readme.in_blocks(TEXT)}
    named = {tuple(words[:2]) for words in commands(ROOT / "README.md", "./gantry")}
    assert named - NOT_RUN.keys() == run


def test_every_block_is_one_whose_commands_are_run(readme: ModuleType) -> None:
    shown = re.findall(r"^\$ (.+?)(?:  +#.*)?$", TEXT, re.MULTILINE)
    assert readme.in_blocks(TEXT) == shown
    assert set(re.findall(r"^```(\w*)$", TEXT, re.MULTILINE)) <= {"console", "mermaid", ""}


def test_what_is_treated_in_another_way_is_in_the_readme(readme: ModuleType) -> None:
    assert {*readme.UNTIL_INTERRUPTED, *readme.ELSEWHERE} <= set(readme.in_blocks(TEXT))
    for command, script in readme.ELSEWHERE.items():
        assert re.search(rf"^section .* {re.escape(command)}$", (ROOT / script).read_text(), re.MULTILINE)


def test_cdk_alone_is_prepared_as_the_readme_says(readme: ModuleType) -> None:
    assert readme.of_the_cdk_alone(TEXT) == [
        "python3 -m venv .venv && source .venv/bin/activate",
        "pip install -r requirements.txt && npm ci --omit=optional",
    ]


def test_command_that_fails_is_named(readme: ModuleType) -> None:
    readme.run("true && true")
    with pytest.raises(SystemExit, match="`true && false` ended with exit code 1"):
        readme.run("true && false")


def test_command_that_goes_on_is_interrupted(readme: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readme.time, "sleep", lambda _: None)
    waits = "time.sleep(600)\nexcept KeyboardInterrupt: pass"
    program = f"{sys.executable} -uc $'import time\ntry: print(\"served\"); {waits}'"
    monkeypatch.setattr(readme, "UNTIL_INTERRUPTED", {program: "served", "echo refused": "served"})
    readme.run(program)
    with pytest.raises(SystemExit, match="`echo refused` ended with exit code 0"):
        readme.run("echo refused")
