"""How `./gantry cdk` chooses the environment and the command."""

import pytest

from ops.cdk_arguments import Arguments
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
def test_context_chooses_the_environment_and_is_there_only_once(arguments: list[str]) -> None:
    assert Arguments(arguments).environment == "prod"
    assert sum("environment=" in word for word in Arguments(arguments).command_line) == 1


def test_sandbox_is_the_environment_of_the_bare_command() -> None:
    assert Arguments([]).environment == "sandbox"


def test_other_context_does_not_choose_an_environment() -> None:
    arguments = ["deploy", "-c", "ecs.max_capacity=8"]
    assert Arguments(arguments).environment == "sandbox"
    assert "environment=sandbox" in Arguments(arguments).command_line


def test_every_sandbox_has_an_output_folder_of_its_own() -> None:
    assert str(SANDBOX_DIR / "cdk.out") in Arguments(["diff"]).command_line
    assert "--output" not in Arguments(["diff", "-c", "environment=prod"]).command_line
    assert Arguments(["synth", "--output", "here"]).command_line.count("--output") == 1


def test_an_environment_in_the_sandboxs_account_gets_what_the_sandbox_has() -> None:
    words = Arguments(
        ["deploy", "--all", "-c", "environment=prod", "-c", "account=000000000000"]
    ).command_line
    context = {key: value for word in words for key, _, value in [word.partition("=")] if value}
    assert context["account"] == "000000000000"
    assert context["container_image"] == load_settings("sandbox").container_image
    assert ":000000000000:certificate/" in context["load_balancer.certificate_arn"]
    assert str(SANDBOX_DIR / "cdk.out.prod") in words


def test_settings_that_are_given_win_over_the_sandboxs() -> None:
    given = ["-c", "environment=dev", "-c", "account=000000000000", "-c", "container_image=web:1"]
    words = Arguments(["diff", *given]).command_line
    assert [word for word in words if "container_image" in word] == ["container_image=web:1"]


def test_an_environment_in_its_own_account_is_left_as_it_is() -> None:
    assert not [
        word for word in Arguments(["diff", "-c", "environment=prod"]).command_line if "account" in word
    ]


def test_variable_chooses_the_environment_unless_context_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "staging")
    assert Arguments(["diff"]).environment == "staging"
    assert Arguments(["diff", "-c", "environment=dev"]).environment == "dev"


@pytest.mark.parametrize("first", ["--profile prod", "-a cdk.out", "--require-approval never"])
def test_command_is_found_behind_options_with_values(first: str) -> None:
    assert Arguments([*first.split(), "deploy", "--all", "-c", "environment=dev"]).command == "deploy"
