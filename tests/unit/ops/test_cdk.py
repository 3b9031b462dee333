"""How `./gantry cdk` chooses the environment."""

import pytest

from ops import cdk
from ops.console import CliError
from ops.paths import SANDBOX_DIR


@pytest.fixture(autouse=True)
def _no_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENVIRONMENT", raising=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["deploy", "-c", "environment=prod"],
        ["deploy", "--context", "environment=prod"],
        ["deploy", "--context=environment=prod", "--all"],
    ],
)
def test_context_chooses_the_environment_and_stands_only_once(arguments: list[str]) -> None:
    assert cdk.environment_of(arguments) == "prod"
    assert sum("environment=" in word for word in cdk.command_line(arguments)) == 1


def test_other_context_does_not_choose_an_environment() -> None:
    arguments = ["deploy", "-c", "ecs.max_capacity=8"]
    assert cdk.environment_of(arguments) == "sandbox"
    assert "environment=sandbox" in cdk.command_line(arguments)


def test_every_sandbox_has_an_output_folder_of_its_own() -> None:
    assert str(SANDBOX_DIR / "cdk.out") in cdk.command_line(["diff"])
    assert "--output" not in cdk.command_line(["diff", "-c", "environment=prod"])
    assert cdk.command_line(["synth", "--output", "here"]).count("--output") == 1


def test_variable_chooses_the_environment_unless_context_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "staging")
    assert cdk.environment_of(["diff"]) == "staging"
    assert cdk.environment_of(["diff", "-c", "environment=dev"]) == "dev"


def test_command_that_needs_aws_says_how_to_start_the_sandbox(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(cdk, "SANDBOX_DIR", tmp_path)
    with pytest.raises(CliError, match=r"`cdk deploy` needs the embedded AWS") as raised:
        cdk.run(["deploy", "--all"])
    assert raised.value.remedy is not None
    assert "./gantry up" in raised.value.remedy
