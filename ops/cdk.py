"""Runs the pinned CDK CLI for one environment.

What goes to the account 000000000000 goes to the sandbox: its own environment, and any other one that
`-c account=000000000000` rehearses there.
"""

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from ops import rehearsal
from ops.console import CliError, tail
from ops.paths import CDK, ROOT, SANDBOX_DIR
from sandbox.environment import ACCOUNT
from sandbox.lifecycle import Sandbox
from stacks.settings import Settings, SettingsError, is_settings_key, load_settings

SANDBOX = "sandbox"
_CONTEXT_OPTIONS = frozenset({"-c", "--context"})
# These commands work on the assembly alone; every other one talks to AWS.
_OFFLINE = frozenset(
    {"acknowledge", "ack", "context", "docs", "init", "list", "ls", "notices", "synth", "synthesize"}
)
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def environment_of(arguments: Sequence[str]) -> str:
    """Return the environment that `-c environment=…` chooses, else ENVIRONMENT, else the sandbox."""
    return _context(arguments).get("environment") or os.environ.get("ENVIRONMENT") or SANDBOX


def _context(arguments: Sequence[str]) -> dict[str, str]:
    """Return what `-c key=value` gives, in all the ways of writing it."""
    given = {}
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        option, _, value = word.partition("=")
        if option in _CONTEXT_OPTIONS:
            key, _, setting = (value or following).partition("=")
            given[key] = setting
    return given


def _is_rehearsal(arguments: Sequence[str]) -> bool:
    """Tell whether another environment than the sandbox's is deployed to the sandbox's account."""
    return environment_of(arguments) != SANDBOX and _context(arguments).get("account") == ACCOUNT


def _variables(arguments: Sequence[str]) -> dict[str, str]:
    """Return the process environment of the CDK CLI; the sandbox's points at the embedded AWS."""
    variables = dict(os.environ)
    if environment_of(arguments) != SANDBOX and not _is_rehearsal(arguments):
        return variables
    sandbox = Sandbox(SANDBOX_DIR)
    command = next((word for word in arguments if not word.startswith("-")), "")
    offline = command in _OFFLINE or not command or "--help" in arguments or "--version" in arguments
    if not offline and not sandbox.status().running:
        raise CliError(
            f"`cdk {command}` needs the embedded AWS of the sandbox, which is not running.",
            remedy="Start it with `./gantry up`, or choose another environment with `-c environment=prod`.",
        )
    settings = _settings(arguments)
    if not offline:
        sandbox.bootstrap(settings.region, settings.recovery.region)
    return (
        variables
        | sandbox.environment()
        | {"AWS_REGION": settings.region, "AWS_DEFAULT_REGION": settings.region}
    )


def _settings(arguments: Sequence[str]) -> Settings:
    environment = environment_of(arguments)
    given = {key: value for key, value in _context(arguments).items() if is_settings_key(key)}
    try:
        return load_settings(environment, overrides=_replaced(arguments) | given)
    except SettingsError as error:
        raise CliError(str(error)) from error


def _replaced(arguments: Sequence[str]) -> dict[str, str]:
    """Return the settings that a rehearsal replaces."""
    if not _is_rehearsal(arguments):
        return {}
    return rehearsal.overrides(load_settings(environment_of(arguments)), sandbox=load_settings(SANDBOX))


def command_line(arguments: Sequence[str]) -> list[str]:
    """Return the CDK command with the environment made explicit, so that app.py and this CLI agree on it."""
    words = [str(CDK), *arguments]
    environment, given = environment_of(arguments), _context(arguments)
    for key, value in ({"environment": environment} | _replaced(arguments)).items():
        if key not in given:
            words += ["--context", f"{key}={value}"]
    # The CLI locks its output folder: what may be deployed side by side needs one each.
    folder = {SANDBOX: "cdk.out"}.get(environment, f"cdk.out.{environment}")
    if (environment == SANDBOX or _is_rehearsal(arguments)) and not any(
        word.split("=")[0] in ("-o", "--output", "-a", "--app") for word in arguments
    ):
        words += ["--output", str(SANDBOX_DIR / folder)]
    return words


def run(arguments: Sequence[str]) -> int:
    """Run the CDK CLI in the foreground and return its exit code.

    Raises
    ------
    CliError
        When the command needs the sandbox and it is not running.
    """
    variables = _variables(arguments)
    return subprocess.run(command_line(arguments), cwd=ROOT, env=variables, check=False).returncode


def run_logged(arguments: Sequence[str], log: Path, on_line: Callable[[str], None]) -> None:
    """Run the CDK CLI into a log and hand each line, free of colour, to `on_line`.

    Raises
    ------
    CliError
        When the CLI fails; it carries the last lines of the log.
    """
    variables = _variables(arguments)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as sink:
        process = subprocess.Popen(
            command_line(arguments),
            cwd=ROOT,
            env=variables | {"NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        try:
            for line in process.stdout or ():
                plain = _ESCAPE.sub("", line).rstrip()
                sink.write(plain + "\n")
                sink.flush()
                on_line(plain)
        except BaseException:
            process.terminate()
            raise
        finally:
            process.wait()
    if process.returncode:
        raise CliError(
            f"`cdk {' '.join(arguments)}` failed (exit code {process.returncode}).",
            detail=tail(log, 30),
            remedy=f"The whole output is in {log}.",
        )
