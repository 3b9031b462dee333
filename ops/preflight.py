"""What is checked before the CDK CLI deploys to AWS, so that what cannot succeed does not begin."""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.console import CliError
from stacks.settings import LAYERS, PipelineSettings, Settings, SettingsError, refuse_placeholders

# Commands that build the images of an app.
_BUILDING = frozenset({"deploy", "publish-assets", "watch"})
_USES_IMAGE = LAYERS[LAYERS.index("compute") :]
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
# By the architecture: how uname calls it, how Docker and binfmt do, and e_machine in an ELF header (elf.h).
_ARCHITECTURES = {
    "arm64": (("aarch64", "arm64"), "arm64", "b700"),
    "x86_64": (("x86_64", "amd64"), "amd64", "3e00"),
}


def check(
    command: str,
    arguments: Sequence[str],
    settings: Sequence[Settings | PipelineSettings],
    context: Mapping[str, str],
) -> None:
    """Refuse a command that changes an account where it cannot succeed.

    Parameters
    ----------
    command, arguments
        Of the CDK CLI: `deploy`, and the whole command line.
    settings
        Of the environment; of a pipeline its own and those of its stages, whose images it builds elsewhere.
    context
        What `-c` gives.

    Raises
    ------
    CliError
        When it must not go on.
    """
    if "placeholders" in context:
        raise CliError(
            f"`cdk {command}` takes no -c placeholders={context['placeholders']}: that is for looking alone.",
            remedy="Give it to `cdk ls`, `synth` or `diff`; to deploy, replace the placeholders.",
        )
    try:
        refuse_placeholders(*settings)
    except SettingsError as error:
        raise CliError(str(error)) from error
    environment = settings[0]
    if command in _BUILDING and isinstance(environment, Settings) and _builds_image(arguments, environment):
        check_engine(environment.ecs.cpu_architecture)


def _builds_image(arguments: Sequence[str], settings: Settings) -> bool:
    """Return whether the stacks that a command names, and those that they depend on, use an image of ours."""
    if settings.container_image is not None:
        return False
    named = {word.lower() for word in arguments} & set(LAYERS)
    if {"--exclusively", "-e"} & set(arguments):
        return "compute" in named
    return not named or bool(named & set(_USES_IMAGE))


def check_engine(architecture: str) -> None:
    """Refuse to build an image for an architecture where this machine cannot.

    Raises
    ------
    CliError
        When it cannot; says why.
    """
    engine = os.environ.get("CDK_DOCKER", "docker")
    if shutil.which(engine) is None:
        others = [name for name in ("docker", "finch", "podman") if shutil.which(name)]
        raise _cannot_build(
            f"there is no container engine: {engine} is not on the PATH",
            architecture,
            f"`export CDK_DOCKER={others[0]}`" if others else "install Docker, Finch or Podman",
        )
    answer = _ask(engine, "ps", "--quiet")
    if answer.returncode:
        reason = (answer.stderr.strip().splitlines() or ["it says nothing"])[-1].rstrip(".?")
        raise _cannot_build(f"{engine} does not answer: {reason}", architecture, f"start {engine}")
    if not _can_run(engine, architecture):
        name = _ARCHITECTURES[architecture][1]
        other = next(each for each in _ARCHITECTURES if each != architecture)
        raise _cannot_build(
            f"{engine} on {platform.machine()} cannot run programs for {architecture} (exec format error)",
            architecture,
            f"`{engine} run --privileged --rm docker.io/tonistiigi/binfmt --install {name}` once",
            f'set ecs.cpu_architecture = "{other}"',
        )


def _can_run(engine: str, architecture: str) -> bool:
    """Return whether the steps of a build for an architecture can run; yes where that cannot be known."""
    machines, name, elf_machine = _ARCHITECTURES[architecture]
    # On macOS every engine has a virtual machine with an emulator in it.
    if platform.system() != "Linux" or platform.machine().lower() in machines:
        return True
    builder = _ask(engine, "buildx", "inspect")
    platforms = [line for line in builder.stdout.splitlines() if line.startswith("Platforms:")]
    if builder.returncode == 0 and platforms:
        return any(f"linux/{name}" in line for line in platforms)
    return bool(os.environ.get("DOCKER_HOST")) or _emulated(elf_machine)


def _emulated(elf_machine: str) -> bool:
    """Return whether the kernel has an interpreter for programs of a machine that works inside a container.

    Flag F opens the interpreter when it is registered; without it, it would have to be in the image ("Kernel
    Support for miscellaneous Binary Formats" in the kernel's documentation).
    """
    for file in _BINFMT.glob("*"):
        if file.name in ("register", "status"):
            continue
        lines = file.read_text(encoding="utf-8").splitlines()
        fields = dict(line.partition(" ")[::2] for line in lines)
        # Bytes 18 and 19 of an ELF header.
        machine = fields.get("magic", "")[36:40]
        if "enabled" in lines and machine == elf_machine and "F" in fields.get("flags:", ""):
            return True
    return False


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=20
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", "no answer in 20 seconds")


def _cannot_build(reason: str, architecture: str, *remedies: str) -> CliError:
    elsewhere = "build the image elsewhere, push it to a registry and set container_image"
    return CliError(
        f"The image of service/ cannot be built for {architecture}: {reason}.",
        remedy=f"{'; or '.join([*remedies, elsewhere])}. Where the image of this commit is in ECR already, "
        "nothing is built: `npx cdk` deploys without this check.",
    )
