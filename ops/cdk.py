"""Runs the pinned CDK CLI for one environment.

What goes to the account 000000000000 goes to the sandbox: its own environment, and any other one with
`-c account=000000000000`.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from contract.environments import SANDBOX, SANDBOX_ACCOUNT
from ops import failures, preflight, protection, service_environment
from ops.assembly import Assembly, read
from ops.aws import Environment, connect_to, settings_of
from ops.console import CliError, report, tail
from ops.paths import CDK, ROOT, SANDBOX_DIR
from ops.turns import deploying
from stacks.settings import (
    PipelineSettings,
    Settings,
    SettingsError,
    is_pipeline,
    is_settings_key,
    load_pipeline,
    load_settings,
)

_CONTEXT_OPTIONS = frozenset({"-c", "--context"})
_APP_OPTIONS = frozenset({"-a", "--app"})
_OUTPUT_OPTIONS = frozenset({"-o", "--output"})
# These commands work on the assembly alone; every other one talks to AWS.
_OFFLINE = frozenset(
    {"acknowledge", "ack", "context", "docs", "init", "list", "ls", "notices", "synth", "synthesize"}
)
# These change nothing in an account.
_LOOKING = _OFFLINE | {"diff", "doctor", "drift", "metadata", ""}
# These commands change stacks.
_CHANGING = frozenset({"deploy", "destroy", "import", "rollback", "watch"})
_COMMANDS = (_LOOKING | _CHANGING | {"bootstrap", "gc", "migrate", "publish-assets", "refactor"}) - {""}
# A stack's event as the CLI prints it: `stack | 13/46 | 12:05:37 PM | UPDATE_COMPLETE | …`.
_EVENT = re.compile(r"\S+ +\| +\d+(/\d+)? +\| ([^|]+\| (?P<status>\w+) *\| \S+ *\| (?P<resource>.*))?")
_LINES_SHOWN = 20
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def environment_of(arguments: Sequence[str]) -> str:
    """Return the environment that `-c environment=…` chooses, else ENVIRONMENT, else the sandbox."""
    return _context(arguments).get("environment") or os.environ.get("ENVIRONMENT") or SANDBOX


def _context(arguments: Sequence[str]) -> dict[str, str]:
    """Return what `-c key=value` gives, in all the ways of writing it."""
    given = {}
    for text in _values(arguments, _CONTEXT_OPTIONS):
        key, _, setting = text.partition("=")
        given[key] = setting
    return given


def _values(arguments: Sequence[str], options: Collection[str]) -> Iterator[str]:
    """Yield what an option gives, as `--option value` or `--option=value`."""
    for word, following in zip(arguments, [*arguments, ""][1:], strict=True):
        option, _, value = word.partition("=")
        if option in options:
            yield value or following


def _without(arguments: Sequence[str], options: Collection[str]) -> list[str]:
    """Return arguments without an option and what it gives."""
    pairs = zip(["", *arguments], arguments, strict=False)
    return [w for before, w in pairs if w.split("=")[0] not in options and before not in options]


def _is_in_sandbox(arguments: Sequence[str]) -> bool:
    """Return whether another environment than the sandbox's is deployed to the sandbox's account."""
    return environment_of(arguments) != SANDBOX and _context(arguments).get("account") == SANDBOX_ACCOUNT


def _in_sandbox(arguments: Sequence[str]) -> bool:
    return environment_of(arguments) == SANDBOX or _is_in_sandbox(arguments)


def _command(arguments: Sequence[str]) -> str:
    """Return the CLI's command; nothing when there is none or only its help is asked for."""
    if {"--help", "-h", "--version"}.intersection(arguments):
        return ""
    # Options may come first, with values that are no command; the CLI itself refuses an unknown one.
    words = zip(["", *arguments], arguments, strict=False)
    plain = [w for before, w in words if w[:1] != "-" and before not in _CONTEXT_OPTIONS]
    return next((w for w in plain if w in _COMMANDS), plain[0] if plain else "")


def _variables(arguments: Sequence[str]) -> dict[str, str]:
    """Return the process environment of the CDK CLI; the sandbox's points at the embedded AWS."""
    if not _in_sandbox(arguments):
        return dict(os.environ)
    from ops import in_sandbox

    command = _command(arguments)
    offline = command in _OFFLINE or not command
    return in_sandbox.variables(_settings(arguments), command=command, offline=offline)


def _is_pipeline(arguments: Sequence[str]) -> bool:
    try:
        return is_pipeline(environment_of(arguments))
    except SettingsError as error:
        raise CliError(str(error)) from error


def _settings(arguments: Sequence[str]) -> Settings:
    environment, in_sandbox = environment_of(arguments), _in_sandbox(arguments)
    overrides = _replaced(arguments) | _given(arguments)
    try:
        return settings_of(environment, overrides=overrides, in_sandbox=in_sandbox)
    except SettingsError as error:
        raise CliError(str(error)) from error


def _given(arguments: Sequence[str]) -> dict[str, str]:
    """Return the settings that `-c` gives."""
    return {key: value for key, value in _context(arguments).items() if is_settings_key(key)}


def _deployed(arguments: Sequence[str]) -> list[Settings | PipelineSettings]:
    """Return the settings of the environment, and those of its stages when it is a pipeline."""
    environment = environment_of(arguments)
    try:
        if not is_pipeline(environment):
            return [_settings(arguments)]
        pipeline = load_pipeline(environment, overrides=_given(arguments))
        return [pipeline, *(load_settings(stage, environ={}) for stage in pipeline.stages)]
    except SettingsError as error:
        raise CliError(str(error)) from error


def _replaced(arguments: Sequence[str]) -> dict[str, str]:
    """Return the settings that the sandbox replaces."""
    if not _is_in_sandbox(arguments):
        return {}
    from ops import in_sandbox

    try:
        settings = settings_of(environment_of(arguments), in_sandbox=True)
        return in_sandbox.overrides(settings, sandbox=settings_of(SANDBOX))
    except SettingsError as error:
        raise CliError(str(error)) from error


def command_line(arguments: Sequence[str]) -> list[str]:
    """Return the CDK command with the environment made explicit, so that app.py and this CLI agree on it."""
    words = [str(CDK), *arguments]
    environment, given = environment_of(arguments), _context(arguments)
    for key, value in ({"environment": environment} | _replaced(arguments)).items():
        if key not in given:
            words += ["--context", f"{key}={value}"]
    if _in_sandbox(arguments) and not any(_values(arguments, _OUTPUT_OPTIONS | _APP_OPTIONS)):
        words += ["--output", str(_output(arguments))]
    return words


def _output(arguments: Sequence[str]) -> Path:
    """Return the folder into which the CLI has the app synthesised."""
    environment = environment_of(arguments)
    folder = "cdk.out"
    if _in_sandbox(arguments):
        # The CLI locks its output folder: what may be deployed side by side needs one each.
        folder = str(SANDBOX_DIR / (folder if environment == SANDBOX else f"{folder}.{environment}"))
    return ROOT / next(_values(arguments, _OUTPUT_OPTIONS), folder)


def run(arguments: Sequence[str]) -> int:
    """Run the CDK CLI in the foreground and return its exit code.

    Raises
    ------
    CliError
        When the command cannot succeed, or was interrupted.
    """
    began, command = time.time(), _command(arguments)
    if command not in _LOOKING:
        preflight.check(command, arguments, _deployed(arguments), _context(arguments))
    if command == "watch" and not _in_sandbox(arguments):
        raise CliError(
            "`cdk watch` deploys without being compared with what is deployed: it is for the sandbox alone.",
            remedy="Use `./gantry cdk deploy`.",
        )
    changes = command in _CHANGING
    with turn(arguments) if changes else nullcontext():
        variables = _variables(arguments)
        with _interruptible(arguments):
            if command == "deploy" and not _is_pipeline(arguments):
                code = _deploy(arguments, variables)
            else:
                code = _run(arguments, variables)
    if code and changes:
        for cause in _causes(arguments, began=began):
            report(cause.as_error())
    return code


def _run(arguments: Sequence[str], variables: Mapping[str, str], *, stdout: int | None = None) -> int:
    command = command_line(arguments)
    return subprocess.run(command, cwd=ROOT, env=variables, stdout=stdout, check=False).returncode


def _deploy(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Deploy the very assembly that was compared with what is deployed."""
    if _in_sandbox(arguments):
        service_environment.ensure()
    environment = connected(arguments)
    app = next(_values(arguments, _APP_OPTIONS), None)
    if app is None or not (ROOT / app / "manifest.json").exists():
        made = _synthesise(arguments, variables)
        arguments = [*_without(arguments, _APP_OPTIONS | _OUTPUT_OPTIONS), "--app", str(made)]
        app = str(made)
    lose = frozenset(filter(None, _context(arguments).get(protection.LOSE, "").split(",")))
    assembly = read(ROOT / app, environment=environment.settings.environment)
    _require_own(assembly, environment.settings)
    protection.before_deployment(environment, assembly, lose=lose)
    try:
        return _run(arguments, variables)
    finally:
        # However it ended: what -c lose let go does not stay open.
        protection.after_deployment(environment)


def _synthesise(arguments: Sequence[str], variables: Mapping[str, str]) -> Path:
    """Have the CLI run the app, and return the folder of the assembly.

    Raises
    ------
    CliError
        When the app fails; the CLI has said why.
    """
    context = [word for each in _values(arguments, _CONTEXT_OPTIONS) for word in ("-c", each)]
    app = next(_values(arguments, _APP_OPTIONS), None)
    source = ["--app", app] if app else []
    made = _output(arguments)
    # It synthesises, and says less than `cdk synth` does.
    listing = ["list", *context, *source, "--output", str(made)]
    if code := _run(listing, variables, stdout=subprocess.DEVNULL):
        raise CliError("The app does not synthesise; nothing was deployed.", exit_code=code)
    return made


def synthesise(arguments: Sequence[str]) -> Assembly:
    """Return the assembly that the app makes for the arguments of a `deploy`, which may be deployed.

    Raises
    ------
    CliError
        When the command cannot succeed, or the app does not synthesise.
    """
    settings = _deployed(arguments)
    preflight.check("deploy", arguments, settings, _context(arguments))
    if _in_sandbox(arguments):
        service_environment.ensure()
    made = _synthesise(arguments, _variables(arguments))
    assembly = read(made, environment=environment_of(arguments))
    _require_own(assembly, _settings(arguments))
    return assembly


@contextmanager
def turn(arguments: Sequence[str]) -> Iterator[None]:
    """Keep other commands of this machine from changing the environment, where it is on this machine."""
    with ExitStack() as stack:
        if _in_sandbox(arguments):
            stack.enter_context(deploying(environment_of(arguments)))
        yield


def _require_own(assembly: Assembly, settings: Settings) -> None:
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
    arguments: Sequence[str], log: Path, on_line: Callable[[str], None], *, approved: bool = False
) -> None:
    """Run the CDK CLI into a log and hand each line, free of colour, to `on_line`.

    Parameters
    ----------
    arguments
        Of the CLI.
    log
        Where all that it says goes.
    on_line
        Told each line.
    approved
        Whether a person has approved of the changes: the CLI is not to ask.

    Raises
    ------
    CliError
        When the CLI fails or is interrupted; it says why.
    ValueError
        When it would deploy anywhere but to the sandbox.
    """
    if not approved and not _in_sandbox(arguments):
        raise ValueError("only what is deployed to the sandbox is deployed without asking")
    began = time.time()
    variables = _variables(arguments)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as sink, _interruptible(arguments):
        process = subprocess.Popen(
            command_line(arguments),
            cwd=ROOT,
            env=variables | {"NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
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
        raise _failure(arguments, process.returncode, log, began=began)


@dataclass(frozen=True)
class Event:
    """What became of a resource, as the CLI prints CloudFormation's event."""

    status: str
    resource: str


def event_of(line: str) -> Event | None:
    """Return the event that a line of the CLI's output is; nothing where it is another line."""
    found = _EVENT.match(line)
    return Event(found["status"], found["resource"].strip()) if found and found["status"] else None


def _failure(arguments: Sequence[str], code: int, log: Path, *, began: float) -> CliError:
    """Return why the CLI failed: the cause in the stacks' events, else what it said itself."""
    whole = f"The whole output is in {log}."
    if causes := _causes(arguments, began=began):
        for other in causes[1:]:
            report(other.as_error())
        return causes[0].as_error(remedy=whole)
    said = [line for line in tail(log, 1000).splitlines() if line and not _EVENT.match(line)]
    return CliError(
        f"`cdk {_command(arguments)}` failed (exit code {code}).",
        detail="\n".join(said[-_LINES_SHOWN:]),
        remedy=whole,
    )


def _causes(arguments: Sequence[str], *, began: float) -> list[failures.Cause]:
    try:
        if is_pipeline(environment_of(arguments)):
            return []
        return failures.causes(connected(arguments), began=began)
    except (CliError, SettingsError, BotoCoreError):
        return []  # the CLI has said what is wrong with them


def connected(arguments: Sequence[str]) -> Environment:
    """Return the environment that these arguments of the CDK CLI name.

    Raises
    ------
    CliError
        When its settings cannot be used, or it is in the sandbox and that does not run.
    """
    return connect_to(_settings(arguments), profile=next(_values(arguments, {"--profile"}), None))


@contextmanager
def _interruptible(arguments: Sequence[str]) -> Iterator[None]:
    """Say after Ctrl-C that what CloudFormation has begun goes on without the CLI.

    Raises
    ------
    CliError
        When the command was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt:
        if _command(arguments) not in _CHANGING:
            raise
        raise _interruption(arguments) from None


def _interruption(arguments: Sequence[str]) -> CliError:
    try:
        stacks = failures.in_progress(connected(arguments))
    except (CliError, BotoCoreError, ClientError) as error:
        return CliError(
            "Interrupted; whether CloudFormation goes on is not known: it could not be asked.",
            detail=str(error),
            exit_code=130,
        )
    if _in_sandbox(arguments):
        works, remedy = (
            "the embedded AWS",
            "The sandbox runs on: `./gantry up` waits for it and continues; `./gantry down` stops it.",
        )
    else:
        works = "CloudFormation"
        remedy = f"`./gantry status -e {environment_of(arguments)}` shows when it has ended; then run again."
    going_on = f"{works} goes on with {', '.join(stacks)}" if stacks else "no stack is being changed"
    needed = stacks or _in_sandbox(arguments)
    return CliError(f"Interrupted; {going_on}.", remedy=remedy if needed else None, exit_code=130)
