"""Commands for those who change Gantry."""

from typing import Annotated

import typer

from ops.cli.options import DEVELOP, PASS_THROUGH, Json, Overrides, app


@app.command(name="test", context_settings=PASS_THROUGH, rich_help_panel=DEVELOP)
def run_tests(
    context: typer.Context,
    *,
    long: Annotated[bool, typer.Option("--long", help="Run the long tests, and those alone.")] = False,
) -> None:
    """Check style and types and run the tests, or the long ones (--long); arguments go to pytest, alone."""
    from tools import testing

    raise typer.Exit(testing.run(context.args, long=long))


@app.command(rich_help_panel=DEVELOP)
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which benchmarks; all by default.")] = None,
    *,
    json: Json = False,
) -> None:
    """Measure Gantry and print the numbers and their targets."""
    from tools import bench as benchmarks

    benchmarks.run(names or [], as_json=json)


@app.command(rich_help_panel=DEVELOP)
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


@app.command(rich_help_panel=DEVELOP)
def pins(
    *, upgrade: Annotated[bool, typer.Option(help="Move every pin to its newest version.")] = False
) -> None:
    """Pin every requirement with its hashes again."""
    from tools import pins as requirements

    requirements.run(upgrade=upgrade)
