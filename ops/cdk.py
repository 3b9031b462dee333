"""Runs the pinned CDK CLI for one environment."""

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from ops.console import CliError, tail
from ops.paths import CDK, ROOT, SANDBOX_DIR
from sandbox.lifecycle import Sandbox

SANDBOX = "sandbox"
# These commands work on the assembly alone; every other one talks to AWS.
_OFFLINE = frozenset(
    {"acknowledge", "ack", "context", "docs", "init", "list", "ls", "notices", "synth", "synthesize"}
)
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def environment_of(arguments: Sequence[str]) -> str:
    """Return the environment that `-c environment=…` chooses, else ENVIRONMENT, else the sandbox."""
    for word in arguments:
        name, _, value = word.removeprefix("--context=").partition("=")
        if name == "environment" and value:
            return value
    return os.environ.get("ENVIRONMENT") or SANDBOX


def _variables(environment: str, arguments: Sequence[str]) -> dict[str, str]:
    """Return the process environment of the CDK CLI; the sandbox's points at the embedded AWS."""
    variables = dict(os.environ)
    if environment != SANDBOX:
        return variables
    sandbox = Sandbox(SANDBOX_DIR)
    command = next((word for word in arguments if not word.startswith("-")), "")
    offline = command in _OFFLINE or not command or "--help" in arguments or "--version" in arguments
    if not offline and not sandbox.status().running:
        raise CliError(
            f"`cdk {command}` needs the embedded AWS of the sandbox, which is not running.",
            remedy="Start it with `./gantry up`, or choose another environment with `-c environment=prod`.",
        )
    return variables | sandbox.environment()


def command_line(arguments: Sequence[str]) -> list[str]:
    """Return the CDK command with the environment made explicit, so that app.py and this CLI agree on it."""
    words = [str(CDK), *arguments]
    environment = environment_of(arguments)
    if not any(word.removeprefix("--context=").startswith("environment=") for word in arguments):
        words += ["--context", f"environment={environment}"]
    # The CLI locks its output folder: sandboxes side by side need one each.
    if environment == SANDBOX and not any(
        word.split("=")[0] in ("-o", "--output", "-a", "--app") for word in arguments
    ):
        words += ["--output", str(SANDBOX_DIR / "cdk.out")]
    return words


def run(arguments: Sequence[str]) -> int:
    """Run the CDK CLI in the foreground and return its exit code.

    Raises
    ------
    CliError
        When the command needs the sandbox and it is not running.
    """
    variables = _variables(environment_of(arguments), arguments)
    return subprocess.run(command_line(arguments), cwd=ROOT, env=variables, check=False).returncode


def run_logged(arguments: Sequence[str], log: Path, on_line: Callable[[str], None]) -> None:
    """Run the CDK CLI into a log and hand each line, free of colour, to `on_line`.

    Raises
    ------
    CliError
        When the CLI fails; it carries the last lines of the log.
    """
    variables = _variables(environment_of(arguments), arguments)
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
