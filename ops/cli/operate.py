"""Commands for the environment that runs."""

from typing import Annotated

import typer

from contract.environments import SANDBOX
from contract.secrets import RotatingSecret
from ops.cli.options import OPERATE, Environment, Json, app
from ops.rotated_secrets import ROTATOR, Rotatable


@app.command(rich_help_panel=OPERATE)
def status(
    *,
    environment: Environment = SANDBOX,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Redraw it until Ctrl-C.")] = False,
    json: Json = False,
) -> None:
    """Show how an environment is and why; exit code 0 when it is healthy, else 1."""
    from ops import status as environment_status

    try:
        code = environment_status.run(environment, as_json=json, watch=watch)
    except KeyboardInterrupt:
        code = 130
    raise typer.Exit(code)


@app.command(rich_help_panel=OPERATE)
def logs(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="service (default), database, firewall, rotation-database, …",
            show_default=False,
        ),
    ] = None,
    *,
    environment: Environment = SANDBOX,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines.")] = False,
    since: Annotated[str, typer.Option("--since", help="How far back to start: 10m, 1h, 2d.")] = "10m",
    grep: Annotated[
        str | None, typer.Option("--grep", "-g", help="Only lines that match a regular expression.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each event.")] = False,
) -> None:
    """Print what tasks, functions, database, firewall and network log, in the order of time."""
    from ops import logs as log_groups
    from ops.console import duration

    request = log_groups.Request(
        sources=sources or (log_groups.DEFAULT,),
        since=duration(since),
        follow=follow,
        pattern=log_groups.pattern_of(grep) if grep is not None else None,
        as_json=json,
    )
    try:
        log_groups.show(environment, request)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command(rich_help_panel=OPERATE)
def events(
    *,
    environment: Environment = SANDBOX,
    since: Annotated[str, typer.Option("--since", help="How far back to start: 10m, 1h, 2d.")] = "24h",
    json: Json = False,
) -> None:
    """Print what happened: deployments, tasks, scaling, rotations, alarms and backups on one timeline."""
    from ops import events as timeline
    from ops.console import duration

    try:
        timeline.run(environment, since=duration(since), as_json=json)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command(rich_help_panel=OPERATE)
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
