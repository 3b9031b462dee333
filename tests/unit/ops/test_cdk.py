"""How `./gantry cdk` chooses the environment."""

import pytest

from ops import cdk
from ops.console import CliError
from ops.paths import SANDBOX_DIR
from stacks.settings import load_settings


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


def test_nothing_is_asked_of_the_bare_command() -> None:
    assert cdk.environment_of([]) == "sandbox"
    assert cdk._variables([])["AWS_REGION"] == "us-east-1"


def test_other_context_does_not_choose_an_environment() -> None:
    arguments = ["deploy", "-c", "ecs.max_capacity=8"]
    assert cdk.environment_of(arguments) == "sandbox"
    assert "environment=sandbox" in cdk.command_line(arguments)


def test_every_sandbox_has_an_output_folder_of_its_own() -> None:
    assert str(SANDBOX_DIR / "cdk.out") in cdk.command_line(["diff"])
    assert "--output" not in cdk.command_line(["diff", "-c", "environment=prod"])
    assert cdk.command_line(["synth", "--output", "here"]).count("--output") == 1


def test_an_environment_in_the_sandboxs_account_is_rehearsed_with_what_the_sandbox_has() -> None:
    words = cdk.command_line(["deploy", "--all", "-c", "environment=prod", "-c", "account=000000000000"])
    context = {key: value for word in words for key, _, value in [word.partition("=")] if value}
    assert context["account"] == "000000000000"
    assert context["container_image"] == load_settings("sandbox").container_image
    assert ":000000000000:certificate/" in context["load_balancer.certificate_arn"]
    assert str(SANDBOX_DIR / "cdk.out.prod") in words


def test_what_is_given_for_a_rehearsal_stands() -> None:
    given = ["-c", "environment=dev", "-c", "account=000000000000", "-c", "container_image=web:1"]
    words = cdk.command_line(["diff", *given])
    assert [word for word in words if "container_image" in word] == ["container_image=web:1"]


def test_an_environment_in_its_own_account_is_left_as_it_is() -> None:
    assert not [word for word in cdk.command_line(["diff", "-c", "environment=prod"]) if "account" in word]


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
