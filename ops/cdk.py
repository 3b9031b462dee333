"""Runs the pinned CDK CLI for one environment."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from ops import failures, preflight, protection, service_environment
from ops.assembly import Assembly, read
from ops.aws import Environment, connect_to
from ops.cdk_arguments import Arguments
from ops.console import CliError, report, tail
from ops.paths import ROOT
from ops.turns import deploying
from stacks.settings import Settings

# A stack's event as the CLI prints it: `stack | 13/46 | 12:05:37 PM | UPDATE_COMPLETE | …`.
_EVENT = re.compile(r"\S+ +\| +\d+(/\d+)? +\| ([^|]+\| (?P<status>\w+) *\| \S+ *\| (?P<resource>.*))?")
_LINES_SHOWN = 20
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run(words: Sequence[str]) -> int:
    """Run the CDK CLI in the foreground and return its exit code.

    Raises
    ------
    CliError
        When the command cannot succeed, or was interrupted.
    """
    began, arguments = time.time(), Arguments(words)
    command = arguments.command
    if not arguments.only_looks:
        preflight.check(command, words, arguments.deployed, arguments.context)
    if command == "watch" and not arguments.in_sandbox:
        raise CliError(
            "`cdk watch` deploys without being compared with what is deployed: it is for the sandbox alone.",
            remedy="Use `./gantry cdk deploy`.",
        )
    with turn(words) if arguments.changes_stacks else nullcontext():
        variables = _variables(arguments)
        with _interruptible(arguments):
            if command == "deploy" and not arguments.is_pipeline:
                code = _deploy(arguments, variables)
            else:
                code = _run(arguments, variables)
    if code and arguments.changes_stacks:
        for cause in _causes(arguments, began=began):
            report(cause.as_error())
    return code


def _variables(arguments: Arguments) -> dict[str, str]:
    """Return the process environment of the CDK CLI; the sandbox's points at the embedded AWS."""
    if not arguments.in_sandbox:
        return dict(os.environ)
    from ops import in_sandbox

    return in_sandbox.variables(arguments.settings, command=arguments.command, offline=arguments.is_offline)


def _run(arguments: Arguments, variables: Mapping[str, str], *, stdout: int | None = None) -> int:
    command = arguments.command_line
    return subprocess.run(command, cwd=ROOT, env=variables, stdout=stdout, check=False).returncode


def _deploy(arguments: Arguments, variables: Mapping[str, str]) -> int:
    """Deploy the very assembly that was compared with what is deployed."""
    if arguments.in_sandbox:
        service_environment.ensure()
    environment, context = connected(arguments.words), arguments.context
    app = arguments.app
    if app is None or not (ROOT / app / "manifest.json").exists():
        _synthesise(arguments, variables)
        app = str(arguments.output)
        arguments = arguments.of_assembly(arguments.output)
    lose = frozenset(filter(None, context.get(protection.LOSE, "").split(",")))
    assembly = read(ROOT / app, environment=environment.settings.environment)
    require_own(assembly, environment.settings)
    protection.before_deployment(environment, assembly, lose=lose)
    try:
        return _run(arguments, variables)
    finally:
        # However it ended: what -c lose let go does not stay open.
        protection.after_deployment(environment)


def _synthesise(arguments: Arguments, variables: Mapping[str, str]) -> None:
    """Have the CLI run the app.

    Raises
    ------
    CliError
        When the app fails; the CLI has said why.
    """
    if code := _run(arguments.listing(), variables, stdout=subprocess.DEVNULL):
        raise CliError("The app does not synthesise; nothing was deployed.", exit_code=code)


def synthesise(words: Sequence[str]) -> Assembly:
    """Return the assembly that the app makes for a `deploy`, when that may be deployed.

    Parameters
    ----------
    words
        Arguments of the CLI.

    Raises
    ------
    CliError
        When the deployment cannot succeed, or the app does not synthesise.
    """
    arguments = Arguments(["deploy", *words])
    preflight.check(arguments.command, words, arguments.deployed, arguments.context)
    if arguments.in_sandbox:
        service_environment.ensure()
    _synthesise(arguments, _variables(arguments))
    assembly = read(arguments.output, environment=arguments.environment)
    require_own(assembly, arguments.settings)
    return assembly


@contextmanager
def turn(words: Sequence[str], *, alone: bool = True) -> Iterator[None]:
    """Keep other commands of this machine from changing the environment, where it is on this machine.

    Parameters
    ----------
    words
        Arguments of the CLI.
    alone
        Whether other deployments of the environment wait; a rollback stops them.
    """
    arguments = Arguments(words)
    with ExitStack() as stack:
        if arguments.in_sandbox:
            stack.enter_context(deploying(arguments.environment, alone=alone))
        yield


def require_own(assembly: Assembly, settings: Settings) -> None:
    """Refuse an assembly of another environment, for which `-c` means nothing."""
    places = {settings.stack_name(layer): region for layer, region in settings.places.items()}
    for stack in assembly.stacks:
        if (stack.account, stack.region) != (settings.account, places.get(stack.name)):
            raise CliError(
                f"{assembly.directory} holds {stack.name} of {stack.account} in {stack.region}: "
                f"no stack of {settings.environment}, as its settings are.",
                remedy="Name its environment with -c environment=…, or leave out --app.",
            )


def run_logged(
    words: Sequence[str],
    log: Path,
    on_line: Callable[[str], None],
    *,
    approved: bool = False,
    stop: threading.Event | None = None,
) -> None:
    """Run the CDK CLI into a log and hand each line, free of colour, to `on_line`.

    Parameters
    ----------
    words
        Arguments of the CLI.
    log
        Where all that it says goes.
    on_line
        Called with each line.
    approved
        Whether a person has approved of the changes: the CLI is not to ask.
    stop
        Ends the CLI once it is set.

    Raises
    ------
    CliError
        When the CLI fails or is interrupted; it says why.
    ValueError
        When it would deploy anywhere but to the sandbox.
    """
    arguments = Arguments(words)
    if not approved and not arguments.in_sandbox:
        raise ValueError("only what is deployed to the sandbox is deployed without asking")
    began = time.time()
    variables = _variables(arguments)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as sink, _interruptible(arguments):
        process = subprocess.Popen(
            arguments.command_line,
            # An assembly needs nothing of the working tree, whose cdk.json may be broken.
            cwd=arguments.app if arguments.app and Path(arguments.app).is_dir() else ROOT,
            env=variables | {"NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        if stop is not None:
            threading.Thread(target=_end_once, args=(process, stop), daemon=True).start()
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
        raise _failure(arguments, process.returncode, log, began=began)


def _end_once(process: subprocess.Popen[str], stop: threading.Event) -> None:
    while process.poll() is None:
        if stop.wait(1):
            process.terminate()
            return


@dataclass(frozen=True)
class Event:
    """What became of a resource, as the CLI prints CloudFormation's event."""

    status: str
    resource: str


def event_of(line: str) -> Event | None:
    """Return the event that a line of the CLI's output is; nothing where it is another line."""
    found = _EVENT.match(line)
    return Event(found["status"], found["resource"].strip()) if found and found["status"] else None


def _failure(arguments: Arguments, code: int, log: Path, *, began: float) -> CliError:
    """Return why the CLI failed: the cause in the stacks' events, else what it said itself."""
    whole = f"The whole output is in {log}."
    if causes := _causes(arguments, began=began):
        for other in causes[1:]:
            report(other.as_error())
        return causes[0].as_error(remedy=whole)
    said = [line for line in tail(log, 1000).splitlines() if line and not _EVENT.match(line)]
    return CliError(
        f"`cdk {arguments.command}` failed (exit code {code}).",
        detail="\n".join(said[-_LINES_SHOWN:]),
        remedy=whole,
    )


def _causes(arguments: Arguments, *, began: float) -> list[failures.Cause]:
    try:
        if arguments.is_pipeline:
            return []
        return failures.causes(connected(arguments.words), began=began)
    except (CliError, BotoCoreError):
        return []  # the CLI has said what is wrong with them


def connected(words: Sequence[str]) -> Environment:
    """Return the environment that these arguments of the CDK CLI name.

    Raises
    ------
    CliError
        When its settings cannot be used, or it is in the sandbox and that does not run.
    """
    arguments = Arguments(words)
    return connect_to(arguments.settings, profile=arguments.profile)


@contextmanager
def _interruptible(arguments: Arguments) -> Iterator[None]:
    """Say after Ctrl-C that what CloudFormation has begun goes on without the CLI.

    Raises
    ------
    CliError
        When the command was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt:
        if not arguments.changes_stacks:
            raise
        raise _interruption(arguments) from None


def _interruption(arguments: Arguments) -> CliError:
    try:
        stacks = failures.in_progress(connected(arguments.words))
    except (CliError, BotoCoreError, ClientError) as error:
        return CliError(
            "Interrupted; whether CloudFormation goes on is not known: it could not be asked.",
            detail=str(error),
            exit_code=130,
        )
    if arguments.in_sandbox:
        works, remedy = (
            "the embedded AWS",
            "The sandbox runs on: `./gantry up` waits for it and continues; `./gantry down` stops it.",
        )
    else:
        works = "CloudFormation"
        remedy = f"`./gantry status -e {arguments.environment}` shows when it has ended; then run again."
    going_on = f"{works} goes on with {', '.join(stacks)}" if stacks else "no stack is being changed"
    needed = stacks or arguments.in_sandbox
    return CliError(f"Interrupted; {going_on}.", remedy=remedy if needed else None, exit_code=130)
