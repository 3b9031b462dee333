"""What is said before a deployment to AWS begins: placeholders, and images that this machine cannot build."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from contract.environments import SANDBOX_ACCOUNT as ACCOUNT
from ops import cdk, preflight
from ops.console import CliError
from stacks.settings import SANDBOX_ACCOUNT, Settings, load_settings

OWN = {"account": "482915370264"}
IMAGE = {"container_image": "482915370264.dkr.ecr.us-east-1.amazonaws.com/app:1"}
AARCH64 = """enabled
interpreter /usr/bin/qemu-aarch64-static
flags: {flags}
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENVIRONMENT", "AWS_REGION", "CDK_DOCKER", "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)


class Machine:
    """A machine with container engines, each with an answer of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, binfmt: Path) -> None:
        self._patch, self._binfmt = monkeypatch, binfmt
        self.answers: dict[str, tuple[int, str, str]] = {}
        self.asked: list[str] = []
        self.engines: set[str] = set()
        monkeypatch.setattr(shutil, "which", lambda name: name if name in self.engines else None)
        monkeypatch.setattr(preflight, "_ask", self._ask)
        monkeypatch.setattr(preflight, "_BINFMT", binfmt)

    def is_of(self, system: str, machine: str) -> None:
        self._patch.setattr(platform, "system", lambda: system)
        self._patch.setattr(platform, "machine", lambda: machine)

    def has(self, engine: str, **answers: tuple[int, str, str]) -> None:
        self.engines.add(engine)
        self.answers = {"ps": (0, "", "")} | answers

    def emulates(self, text: str) -> None:
        self._binfmt.mkdir(exist_ok=True)
        (self._binfmt / "qemu-aarch64").write_text(text)

    def _ask(self, engine: str, what: str, *_: str) -> subprocess.CompletedProcess[str]:
        self.asked.append(f"{engine} {what}")
        code, out, error = self.answers.get(what, (1, "", f"unknown command: {what}"))
        return subprocess.CompletedProcess([engine, what], code, out, error)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    found = Machine(monkeypatch, tmp_path / "binfmt_misc")
    found.is_of("Linux", "x86_64")
    return found


def own(**overrides: object) -> Settings:
    return load_settings("dev", overrides=OWN | {key.replace("__", "."): v for key, v in overrides.items()})


def refusal(*arguments: str, settings: Settings | None = None) -> str:
    try:
        preflight.check(arguments[0], arguments, [settings or own()], {})
    except CliError as error:
        return f"{error.message} {error.remedy}"
    return ""


def test_machine_without_an_engine_gets_a_message_what_to_install(machine: Machine) -> None:
    message = refusal("deploy", "--all")
    assert "cannot be built for arm64: there is no container engine: docker is not on the PATH" in message
    assert "install Docker, Finch or Podman" in message
    assert "set container_image" in message
    machine.engines.add("podman")
    assert "export CDK_DOCKER=podman" in refusal("deploy", "--all")


def test_engine_that_the_cdk_uses_is_the_one_that_is_asked(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDK_DOCKER", "finch")
    machine.has("finch", ps=(1, "", "noise\ncannot connect to the daemon\n"))
    assert "finch does not answer: cannot connect to the daemon" in refusal("deploy")
    assert machine.asked == ["finch ps"]


@pytest.mark.parametrize(
    ("system", "name", "architecture"),
    [("Linux", "aarch64", "arm64"), ("Linux", "x86_64", "x86_64"), ("Darwin", "x86_64", "arm64")],
)
def test_own_architecture_and_macos_need_no_emulator(
    machine: Machine, system: str, name: str, architecture: str
) -> None:
    machine.is_of(system, name)
    machine.has("docker")
    assert refusal("deploy", settings=own(ecs__cpu_architecture=architecture)) == ""
    assert machine.asked == ["docker ps"]


@pytest.mark.parametrize(("platforms", "can"), [("linux/amd64, linux/arm64", True), ("linux/amd64*", False)])
def test_builder_says_what_it_can_build(machine: Machine, platforms: str, *, can: bool) -> None:
    machine.has("docker", buildx=(0, f"Name: default\nPlatforms: {platforms}\n", ""))
    message = refusal("deploy")
    assert (message == "") is can
    if not can:
        assert "docker on x86_64 cannot run programs for arm64 (exec format error)" in message
        assert "docker run --privileged --rm docker.io/tonistiigi/binfmt --install arm64" in message
        assert 'set ecs.cpu_architecture = "x86_64"' in message


@pytest.mark.parametrize(
    ("entry", "can"),
    [
        (AARCH64.format(flags="OCF"), True),
        (AARCH64.format(flags="OC"), False),
        (AARCH64.format(flags="F").replace("enabled", "disabled"), False),
        (AARCH64.format(flags="F").replace("b700", "f300"), False),
    ],
)
def test_without_a_builder_the_kernel_says_it(machine: Machine, entry: str, *, can: bool) -> None:
    machine.has("podman")
    machine.engines.add("docker")
    machine.emulates(entry)
    assert (refusal("deploy") == "") is can


def test_engine_elsewhere_is_not_judged_by_this_kernel(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.has("docker")
    monkeypatch.setenv("DOCKER_HOST", "ssh://builder")
    assert refusal("deploy") == ""


@pytest.mark.parametrize(
    ("arguments", "settings", "builds"),
    [
        (["deploy", "--all"], {}, True),
        (["deploy", "Observability"], {}, True),
        (["deploy", "State", "Network"], {}, False),
        (["deploy", "Observability", "--exclusively"], {}, False),
        (["watch"], {}, True),
        (["bootstrap"], {}, False),
        (["destroy", "--all"], {}, False),
        (["deploy", "--all"], IMAGE, False),
    ],
)
def test_engine_is_asked_where_the_image_is_built(
    machine: Machine, arguments: list[str], settings: dict[str, object], *, builds: bool
) -> None:
    assert bool(refusal(*arguments, settings=own(**settings))) is builds
    assert machine.asked == []


@pytest.mark.parametrize("command", ["deploy", "destroy", "import", "rollback", "watch", "bootstrap", "gc"])
def test_no_command_that_changes_an_account_takes_placeholders(command: str) -> None:
    for words in (["-c", "placeholders=shown", command], [command, "--context=placeholders=shown"]):
        with pytest.raises(CliError, match="that is for looking alone"):
            cdk.run([*words, "-c", "environment=prod"])


def test_placeholders_are_named_before_anything_runs(machine: Machine) -> None:
    for environment in ("prod", "pipeline"):
        with pytest.raises(CliError, match=r'prod.toml: account = "333333333333": put your own: Id of the'):
            cdk.run(["deploy", "-c", f"environment={environment}"])
    assert machine.asked == []


def test_looking_commands_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(words)
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(subprocess, "run", run)
    for command in ("ls", "synth", "diff"):
        assert cdk.run(["-c", "placeholders=shown", command, "-c", "environment=prod"]) == 0
    assert len(ran) == 3


def test_sandboxs_account_is_the_one_without_placeholders() -> None:
    assert SANDBOX_ACCOUNT == ACCOUNT
