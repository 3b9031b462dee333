"""Commands for the platform on this machine."""

from typing import Annotated

import typer

from ops.cli.options import THIS_MACHINE, Json, Overrides, app


@app.command(rich_help_panel=THIS_MACHINE)
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


@app.command(rich_help_panel=THIS_MACHINE)
def down(
    *, wipe: Annotated[bool, typer.Option("--wipe", help="Remove the sandbox's data too.")] = False
) -> None:
    """Stop the platform on this machine."""
    from ops import up as sandbox_up

    sandbox_up.down(wipe=wipe)


@app.command(rich_help_panel=THIS_MACHINE)
def doctor(*, json: Json = False) -> None:
    """Look at this machine: what is there, what it is needed for, how to get the rest."""
    from ops import doctor as machine_doctor

    raise typer.Exit(machine_doctor.run(as_json=json))
