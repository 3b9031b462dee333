"""How `./gantry cdk` runs the CDK CLI."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from ops import cdk, failures, in_sandbox, preflight, protection
from ops.assembly import Assembly
from ops.cdk_arguments import Arguments
from ops.console import CliError
from stacks.settings import load_settings
from tests.unit.ops import assemblies


@pytest.fixture(autouse=True)
def _no_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENVIRONMENT", raising=False)


def test_nothing_is_asked_of_the_bare_command() -> None:
    assert cdk._variables(Arguments([]))["AWS_REGION"] == "us-east-1"


def test_command_that_needs_aws_says_how_to_start_the_sandbox(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(in_sandbox, "SANDBOX_DIR", tmp_path)
    with pytest.raises(CliError, match=r"`cdk deploy` needs the embedded AWS") as raised:
        cdk.run(["deploy", "--all"])
    assert raised.value.remedy is not None
    assert "./gantry up" in raised.value.remedy


def test_what_is_deployed_is_what_was_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done: list[list[str]] = []

    def run(words: list[str], **_: object) -> SimpleNamespace:
        done.append(words[1:])
        if words[1] == "list":
            assemblies.write(Path(words[words.index("--output") + 1]))
        return SimpleNamespace(returncode=0)

    def compare(_: object, assembly: Assembly, **given: object) -> None:
        done.append(["compare", str(assembly.directory), *map(str, given.values())])

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(cdk, "connected", lambda _: SimpleNamespace(settings=load_settings("dev")))
    monkeypatch.setattr(preflight, "check", lambda *_: None)
    monkeypatch.setattr(protection, "before_deployment", compare)
    monkeypatch.setattr(protection, "after_deployment", lambda _: None)
    made = str(tmp_path)
    given = ["-c", "environment=dev", "-c", "lose=Vpc"]
    assert cdk.run(["deploy", "--all", *given, "--output", made]) == 0
    assert done == [
        ["list", *given, "--output", made],
        ["compare", made, "frozenset({'Vpc'})"],
        ["deploy", "--all", *given, "--app", made],
    ]
    done.clear()
    assert cdk.run(["deploy", "--all", *given, "--app", made]) == 0
    assert [words[0] for words in done] == ["compare", "deploy"]


def test_app_that_does_not_synthesise_is_not_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def run(words: list[str], **_: object) -> SimpleNamespace:
        done.append(words[1])
        return SimpleNamespace(returncode=3)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(cdk, "connected", lambda _: SimpleNamespace(settings=load_settings("dev")))
    monkeypatch.setattr(cdk, "_causes", lambda *_, **__: [])
    monkeypatch.setattr(preflight, "check", lambda *_: None)
    with pytest.raises(CliError, match="does not synthesise; nothing was deployed") as raised:
        cdk.run(["deploy", "-c", "environment=dev"])
    assert raised.value.exit_code == 3
    assert done == ["list"]


def test_interruption_says_when_it_cannot_know_what_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object) -> int:
        raise KeyboardInterrupt

    def denied(_: object) -> None:
        raise CliError("not authorized to perform cloudformation:ListStacks")

    monkeypatch.setattr(cdk, "_run", run)
    monkeypatch.setattr(cdk, "connected", denied)
    monkeypatch.setattr(preflight, "check", lambda *_: None)
    with pytest.raises(CliError, match="whether CloudFormation goes on is not known") as raised:
        cdk.run(["destroy", "--all", "-c", "environment=dev"])
    assert raised.value.exit_code == 130
    assert "cloudformation:ListStacks" in str(raised.value.detail)


def test_protection_is_back_however_the_deployment_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    protected: list[object] = []

    def run(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    assemblies.write(tmp_path)
    monkeypatch.setattr(cdk, "_run", run)
    monkeypatch.setattr(cdk, "connected", lambda _: SimpleNamespace(settings=load_settings("dev")))
    monkeypatch.setattr(failures, "in_progress", lambda _: [])
    monkeypatch.setattr(preflight, "check", lambda *_: None)
    monkeypatch.setattr(protection, "before_deployment", lambda *_, **__: None)
    monkeypatch.setattr(protection, "after_deployment", protected.append)
    with pytest.raises(CliError, match="no stack is being changed"):
        cdk.run(["deploy", "--all", "-c", "environment=dev", "--app", str(tmp_path)])
    assert protected


def test_only_the_sandbox_is_deployed_without_asking(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sandbox"):
        cdk.run_logged(["deploy", "-c", "environment=prod"], tmp_path / "log", lambda _: None)


def test_watch_is_for_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "check", lambda *_: None)
    with pytest.raises(CliError, match="`cdk watch` deploys without being compared"):
        cdk.run(["watch", "-c", "environment=dev"])


def test_assembly_of_another_environment_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assemblies.write(tmp_path, Network=assemblies.stack())
    monkeypatch.setattr(cdk, "_run", lambda *_, **__: pytest.fail("it was deployed"))
    monkeypatch.setattr(cdk, "connected", lambda _: SimpleNamespace(settings=load_settings("dev")))
    monkeypatch.setattr(preflight, "check", lambda *_: None)
    with pytest.raises(CliError, match=r"holds gantry-test-network of .*: no stack of dev"):
        cdk.run(["deploy", "--all", "-c", "environment=dev", "--app", str(tmp_path)])
