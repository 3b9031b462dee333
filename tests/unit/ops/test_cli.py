"""What the command line makes of failures: one message and no traceback."""

import io
import json
import os
import re
import subprocess
import sys
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from ops import cli, console, in_sandbox, service_environment, task_health, up
from ops.aws_errors import explain
from ops.cdk_arguments import Arguments
from ops.console import CliError
from ops.paths import ROOT


def gantry(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the CLI in a process of its own, with an environment that has no AWS."""
    program = "from ops.cli import main; main()"
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith("AWS_") and key != "ENVIRONMENT"
    }
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        env=kept | nothing | {"AWS_EC2_METADATA_DISABLED": "true"} | variables,
    )  # fmt: skip


def test_account_needs_no_package_of_the_sandbox() -> None:
    program = (
        "import sys; sys.modules['sandbox'] = None; import ops.cdk, ops.checks, ops.clean_up;"
        "import ops.cost, ops.doctor, ops.events;"
        "import ops.firewall, ops.leaked, ops.logs, ops.rotate, ops.rotator, ops.security;"
        "import ops.status, tools.diagram"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_operators_commands_use_none_of_the_developers() -> None:
    users = {
        str(file.relative_to(ROOT))
        for folder in ("ops", "sandbox", "stacks", "constructs", "contract", "lambdas", "service")
        for file in (ROOT / folder).rglob("*.py")
        if re.search(r"^\s*(from|import) tools\b", file.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert users == {"ops/cli/develop.py"}


def test_sandbox_that_is_not_installed_is_said_to_be() -> None:
    program = (
        "import sys; sys.modules['ministack'] = sys.modules['cryptography'] = None; import ops.in_sandbox"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert "CliError: The sandbox is not installed." in ended.stderr


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "what AWS says"}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "what", "remedy"),
    [
        (exceptions.NoCredentialsError(), "There are no credentials", "aws sso login"),
        (
            exceptions.ProfileNotFound(profile="work"),
            "no such profile in this machine's AWS configuration: The config profile (work)",
            "AWS_PROFILE",
        ),
        (exceptions.SSOTokenLoadError(error_msg="gone"), "cannot be used", "aws sso login"),
        (exceptions.UnauthorizedSSOTokenError(), "cannot be used", "aws sso login"),
        (exceptions.EndpointConnectionError(endpoint_url="https://x"), "cannot be reached", "network"),
        (exceptions.ConnectTimeoutError(endpoint_url="https://x"), "cannot be reached", "network"),
        (exceptions.ProxyConnectionError(proxy_url="http://p"), "cannot be reached", "HTTPS_PROXY"),
        (exceptions.ConfigParseError(path="/x"), "cannot be asked", "AWS_"),
        (client_error("ExpiredToken"), "have expired", "aws sso login"),
        (client_error("InvalidClientTokenId"), "does not accept the credentials", "aws sso login"),
        (client_error("AccessDenied"), "AWS denies access", "account that the settings name"),
        (client_error("Throttling"), "throttles", "in a minute"),
    ],
)
def test_errors_of_aws_say_what_and_what_to_do(
    error: exceptions.BotoCoreError | ClientError, what: str, remedy: str
) -> None:
    failure = explain(error)
    assert what in failure.message
    assert remedy in str(failure.remedy)


@pytest.mark.parametrize("command", [["status"], ["logs"], ["rotate", "database"]])
def test_environment_that_cannot_be_asked_ends_in_a_sentence(command: list[str]) -> None:
    result = gantry(*command, "-e", "prod")
    assert result.returncode == 1
    assert "There are no credentials for AWS" in result.stderr
    assert "Traceback" not in result.stderr


def test_checklist_without_credentials_is_unknown_and_ends_with_1() -> None:
    result = gantry("check", "post-deploy", "-e", "prod", "--json")
    document = json.loads(result.stdout)
    assert (result.returncode, document["outcome"]) == (1, "unknown")
    assert "There are no credentials for AWS" in document["lines"][0]["results"][0]["evidence"]
    assert "Traceback" not in result.stderr


def test_profile_that_does_not_exist_ends_in_a_sentence_for_aws() -> None:
    result = gantry("status", "-e", "prod", AWS_PROFILE="missing")
    assert "no such profile in this machine's AWS configuration: The config profile (missing)" in " ".join(
        result.stderr.split()
    )
    assert "Traceback" not in result.stderr


def test_bug_is_reported_in_a_sentence_that_names_the_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: object) -> None:
        raise KeyError("this")

    monkeypatch.setattr(cli, "app", broken)
    monkeypatch.setattr(cli, "LOG_DIR", tmp_path)
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    said = capsys.readouterr().err
    assert "This is a bug in Gantry: KeyError: 'this'" in said
    assert "Traceback" not in said
    assert str(tmp_path / "bug.log") in said.replace("\n", "")
    assert "Traceback" in (tmp_path / "bug.log").read_text()


def test_paths_stay_whole_in_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console.err, "width", 40)
    path = "/a/very/long/path/" + "x" * 60
    console.report(CliError(f"one two three four five six seven eight {path}", remedy=f"See {path}."))
    lines = capsys.readouterr().err.splitlines()
    assert sum(path in line for line in lines) == 2
    assert all(len(line) <= 40 for line in lines if path not in line)


def test_locale_without_a_character_does_not_stop_a_message() -> None:
    result = gantry("--help", PYTHONIOENCODING="ascii:strict")
    assert result.returncode == 0, result.stderr
    program = "import sys; sys.argv = ['gantry', 'nothing']\nfrom ops import cli\n"
    program += "cli.app = lambda **_: print('✓')\ncli.main()"
    variables = os.environ | {"PYTHONIOENCODING": "ascii:strict"}
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=variables, capture_output=True, check=False
    )
    assert (printed.returncode, printed.stdout) == (0, b"?\n"), printed.stderr


@pytest.mark.parametrize("name", ["folder", "file/below", "a\0b"])
def test_file_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(CliError, match="cannot be written"):
        console.write(tmp_path / name, "text")


def test_sandbox_obeys_no_variable_for_aws_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    user = {"AWS_CA_BUNDLE": "/x", "AWS_PROFILE": "work", "HTTPS_PROXY": "http://proxy", "NO_PROXY": "mirror"}
    variables = in_sandbox._without_aws(user)
    assert not [name for name in variables if name.startswith("AWS_")]
    # pip may need the proxy for the packages of functions; what is on this machine is asked directly.
    assert variables["HTTPS_PROXY"] == "http://proxy"
    assert variables["NO_PROXY"] == variables["no_proxy"] == "mirror,127.0.0.1,localhost"
    monkeypatch.delenv("ENVIRONMENT", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Arguments([]).settings.region == "us-east-1"
    assert Arguments(["deploy", "-c", "environment=dev"]).settings.region == "eu-west-1"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (json.dumps({"failed": ["database", "cache"]}).encode(), "HTTP 503, failed: database, cache"),
        (b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>", "HTTP 503"),
        (b"\xff", "HTTP 503"),
    ],
)
def test_unhealthy_service_is_reported_by_its_parts_and_never_by_a_page(body: bytes, said: str) -> None:
    error = HTTPError("http://x", 503, "", Message(), io.BytesIO(body))
    assert task_health.said(error) == said
    error.close()


def test_foreground_ends_in_a_sentence_when_the_embedded_aws_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def follow(_environment: str) -> None:
        raise exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    monkeypatch.setattr("ops.logs.follow", follow)
    monkeypatch.setattr(up, "SANDBOX_DIR", tmp_path)
    monkeypatch.setattr(up, "_RETURN_TIMEOUT_SECONDS", 0.0)
    with pytest.raises(CliError, match="The embedded AWS has ended"):
        up.wait_for_interrupt("http://x")


@pytest.mark.parametrize("override", ["environment=prod", "account=444455556666"])
def test_up_deploys_the_sandbox_and_nothing_else(override: str) -> None:
    with pytest.raises(CliError, match=r"`./gantry up` deploys the sandbox") as raised:
        up.up(overrides=(override,))
    assert f"-c {override}" in str(raised.value.remedy)


def test_up_refuses_a_wrong_setting_before_it_starts_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_environment, "ensure", lambda: pytest.fail("it was started"))
    with pytest.raises(CliError, match=r"ecs.memory_mib"):
        up.up(overrides=("ecs.memory_mib=999",))
