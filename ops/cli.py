"""Commands of `./gantry`; each imports what it needs when it runs, so that the others start fast."""

import io
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from contract.environments import SANDBOX
from contract.secrets import RotatingSecret
from ops.console import CliError, err, report
from ops.paths import LOG_DIR
from ops.rotated_secrets import ROTATOR, Rotatable

# The groups of `./gantry --help`.
_THIS_MACHINE, _DEPLOY, _OPERATE, _INSPECT, _DEVELOP = (
    "This machine",
    "Deploy",
    "Operate",
    "Inspect",
    "Develop",
)

app = typer.Typer(
    name="gantry",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Deploys and operates a containerised web service on AWS, or on this machine.",
)
check = typer.Typer(no_args_is_help=True, help="Check an environment before or after it is deployed.")
app.add_typer(check, name="check", rich_help_panel=_INSPECT)
firewall = typer.Typer(no_args_is_help=True, help="Look at the web application firewall.")
app.add_typer(firewall, name="firewall", rich_help_panel=_INSPECT)

_PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
Environment = Annotated[
    str,
    typer.Option("--environment", "-e", envvar="ENVIRONMENT", help="Which config/<environment>.toml."),
]
Overrides = Annotated[
    list[str] | None, typer.Option("--context", "-c", help="Override a setting: ecs.min_capacity=3.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the data as JSON on stdout.")]


@app.command(rich_help_panel=_THIS_MACHINE)
def up(
    *,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when the service is healthy.")
    ] = False,
    context: Overrides = None,
) -> None:
    """Deploy the whole platform to an AWS on this machine, and serve it."""
    from ops import up as sandbox_up

    url = sandbox_up.up(overrides=tuple(context or ()))
    if not detach:
        sandbox_up.wait_for_interrupt(url)


@app.command(rich_help_panel=_THIS_MACHINE)
def down(
    *, wipe: Annotated[bool, typer.Option("--wipe", help="Remove the sandbox's data too.")] = False
) -> None:
    """Stop the platform on this machine."""
    from ops import up as sandbox_up

    sandbox_up.down(wipe=wipe)


@app.command(context_settings=_PASS_THROUGH, rich_help_panel=_DEPLOY)
def cdk(context: typer.Context) -> None:
    """Run the pinned CDK CLI: ./gantry cdk diff, ./gantry cdk deploy --all -c environment=prod."""
    from ops import cdk as pinned_cdk

    code = pinned_cdk.run(context.args)
    if code and "deploy" in context.args:
        from ops import clean_up

        clean_up.suggest(context.args)
    raise typer.Exit(code)


@app.command(name="clean-up", rich_help_panel=_DEPLOY)
def clean_up(
    *,
    environment: Environment = SANDBOX,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    leftovers: Annotated[
        bool, typer.Option("--leftovers", help="Remove what the stacks left that `cdk destroy` deleted.")
    ] = False,
    context: Overrides = None,
) -> None:
    """Remove what the failed first deployment of a stack left behind, and the stack."""
    from ops import clean_up as failed_stacks

    failed_stacks.run(environment, context=context or (), yes=yes, destroyed=leftovers)


@app.command(rich_help_panel=_OPERATE)
def status(*, environment: Environment = SANDBOX, json: Json = False) -> None:
    """Show an environment's stacks, service and tasks."""
    from ops import status as environment_status

    environment_status.show(environment, as_json=json)


@app.command(rich_help_panel=_OPERATE)
def logs(
    *,
    environment: Environment = SANDBOX,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines.")] = False,
    since: Annotated[str, typer.Option("--since", help="How far back to start: 10m, 1h, 2d.")] = "10m",
) -> None:
    """Print what the service's tasks log."""
    from ops import logs as service_logs
    from ops.console import duration

    try:
        service_logs.show(environment, since=duration(since), follow_on=follow)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command(rich_help_panel=_OPERATE)
def rotate(
    secret: Annotated[Rotatable, typer.Argument(help="Which secret.")],
    *,
    environment: Environment = SANDBOX,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to the retirement of the old one.")] = False,
    leaked: Annotated[
        bool, typer.Option("--leaked", help="Others may have it: wait until it is refused everywhere.")
    ] = False,
    json: Json = False,
) -> None:
    """Rotate a secret now: the four steps, new tasks, and the old credential's retirement."""
    from ops import leaked as leak
    from ops import rotate as rotation
    from ops import rotator

    if secret.value == ROTATOR:
        rotator.run(environment=environment, has_leaked=leaked, as_json=json)
    elif leaked:
        leak.run(RotatingSecret[secret.name], environment=environment, as_json=json)
    else:
        rotation.run(RotatingSecret[secret.name], environment=environment, wait=wait, as_json=json)


@app.command(rich_help_panel=_INSPECT)
def cost(
    *,
    environment: Environment = "prod",
    compare: Annotated[
        str | None, typer.Option("--compare", help="An environment to compare with, itself too.")
    ] = None,
    requests_per_second: Annotated[
        list[float] | None,
        typer.Option("--requests-per-second", "-r", min=0, help="A load; repeat for more."),
    ] = None,
    assume: Annotated[
        list[str] | None, typer.Option("--assume", help="Replace an assumption: response_kb=25.")
    ] = None,
    context: Overrides = None,
    json: Json = False,
) -> None:
    """Estimate what an environment costs in a month, idle and under load."""
    from ops import cost as costs

    request = costs.Request(environment, compare, requests_per_second or (), context or (), assume or ())
    costs.run(request, as_json=json)


@firewall.command()
def blocked(
    *,
    environment: Environment = SANDBOX,
    since: Annotated[str, typer.Option("--since", help="How far back: 90m, 1h, 2d.")] = "1h",
    json: Json = False,
) -> None:
    """List what the firewall refused or counted, by rule, path and address."""
    from ops import firewall as web_firewall

    web_firewall.show_blocked(environment, since=since, as_json=json)


@check.command()
def security(
    *,
    environment: Environment = "prod",
    html: Annotated[Path | None, typer.Option("--html", help="Write the report as one HTML page.")] = None,
    context: Overrides = None,
    json: Json = False,
) -> None:
    """Check an environment's templates against four packs of cdk-nag; exit code 1 on a finding."""
    from ops import security as security_check

    code = security_check.run(environment, html=html, as_json=json, overrides=context or ())
    raise typer.Exit(code)


@app.command(name="test", context_settings=_PASS_THROUGH, rich_help_panel=_DEVELOP)
def run_tests(
    context: typer.Context,
    *,
    long: Annotated[bool, typer.Option("--long", help="Run the long tests, and those alone.")] = False,
) -> None:
    """Check style and types and run the tests, or the long ones (--long); arguments go to pytest, alone."""
    from tools import testing

    raise typer.Exit(testing.run(context.args, long=long))


@app.command(rich_help_panel=_DEVELOP)
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which benchmarks; all by default.")] = None,
    *,
    json: Json = False,
) -> None:
    """Measure Gantry and print the numbers and their targets."""
    from tools import bench as benchmarks

    benchmarks.run(names or [], as_json=json)


@app.command(rich_help_panel=_DEVELOP)
def diagram(
    *,
    # What is committed must not follow a variable of the person who writes it.
    environment: Annotated[
        str, typer.Option("--environment", "-e", help="Which config/<environment>.toml.")
    ] = "prod",
    update: Annotated[bool, typer.Option("--update", help="Write it into docs/architecture.md.")] = False,
    context: Overrides = None,
) -> None:
    """Print the platform as a Mermaid flowchart, made of its templates."""
    from tools import diagram as diagrams

    diagrams.run(environment, update=update, overrides=context or ())


@app.command(rich_help_panel=_DEVELOP)
def pins(
    *, upgrade: Annotated[bool, typer.Option(help="Move every pin to its newest version.")] = False
) -> None:
    """Pin every requirement with its hashes again."""
    from tools import pins as requirements

    requirements.run(upgrade=upgrade)


def main() -> None:
    """Run the CLI; a failure that the operator can act on is one clear message, and so is a bug."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # the locale may not have every character
    try:
        app(prog_name="./gantry")
    except KeyboardInterrupt:
        err.print("Interrupted.")
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - every failure is reported in a sentence
        failure = _as_failure(error)
        report(failure)
        sys.exit(failure.exit_code)


def _as_failure(error: Exception) -> CliError:
    """Return the message for an error; what nothing foresaw is a bug, and its traceback is kept."""
    from botocore.exceptions import BotoCoreError, ClientError

    from ops.aws_errors import explain
    from stacks.settings import SettingsError

    if isinstance(error, CliError):
        return error
    if isinstance(error, BotoCoreError | ClientError):
        return explain(error)
    if isinstance(error, SettingsError):
        return CliError(str(error))
    trace = "".join(traceback.format_exception(error))
    with suppress(OSError):
        LOG_DIR.mkdir(parents=True, exist_ok=True)
        (LOG_DIR / "bug.log").write_text(trace, encoding="utf-8")
        trace = ""
    return CliError(
        f"This is a bug in Gantry: {type(error).__name__}: {error}",
        detail=trace,
        remedy="" if trace else f"The traceback is in {LOG_DIR / 'bug.log'}.",
    )
