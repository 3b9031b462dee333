"""Commands that look at an environment from the side: costs, firewall, checks."""

from pathlib import Path
from typing import Annotated

import typer

from contract.environments import SANDBOX
from ops.cli.options import INSPECT, Environment, Json, JUnit, Overrides, app

check = typer.Typer(no_args_is_help=True, help="Check an environment before or after it is deployed.")
app.add_typer(check, name="check", rich_help_panel=INSPECT)
firewall = typer.Typer(no_args_is_help=True, help="Look at the web application firewall.")
app.add_typer(firewall, name="firewall", rich_help_panel=INSPECT)


@app.command(rich_help_panel=INSPECT)
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


@check.command(name="pre-deploy")
def pre_deploy(
    *, environment: Environment = SANDBOX, context: Overrides = None, json: Json = False, junit: JUnit = None
) -> None:
    """Check that an account will take a deployment, and what it changes; exit code 1 unless all is ok."""
    from ops import checks

    request = checks.Request(environment=environment, context=context or (), as_json=json, junit=junit)
    raise typer.Exit(checks.pre_deploy(request))


@check.command(name="post-deploy")
def post_deploy(
    *, environment: Environment = SANDBOX, context: Overrides = None, json: Json = False, junit: JUnit = None
) -> None:
    """Check that a deployment serves, is protected and is as it was before; exit code 1 unless all is ok."""
    from ops import checks

    request = checks.Request(environment=environment, context=context or (), as_json=json, junit=junit)
    raise typer.Exit(checks.post_deploy(request))


@check.command()
def weekly(
    *,
    environment: Environment = SANDBOX,
    cost: Annotated[
        bool, typer.Option("--cost", help="Ask Cost Explorer, too: a request costs $0.01.")
    ] = False,
    context: Overrides = None,
    json: Json = False,
    junit: JUnit = None,
) -> None:
    """Look at the week's alarms, at pins that are behind and at costs; exit code 1 unless all is ok."""
    from ops import checks

    request = checks.Request(environment=environment, context=context or (), as_json=json, junit=junit)
    raise typer.Exit(checks.weekly(request, asks_costs=cost))


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
