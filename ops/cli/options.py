"""The app that commands register with, the groups of its help, and the options that many commands take."""

from pathlib import Path
from typing import Annotated

import typer

# The groups of `./gantry --help`, in order.
THIS_MACHINE, DEPLOY, OPERATE, INSPECT, DEVELOP = (
    "This machine",
    "Deploy",
    "Operate",
    "Inspect",
    "Develop",
)
PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app = typer.Typer(
    name="gantry",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Deploys and operates a containerised web service on AWS, or on this machine.",
)

Environment = Annotated[
    str,
    typer.Option("--environment", "-e", envvar="ENVIRONMENT", help="Which config/<environment>.toml."),
]
Overrides = Annotated[
    list[str] | None, typer.Option("--context", "-c", help="Override a setting: ecs.min_capacity=3.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the data as JSON on stdout.")]
JUnit = Annotated[
    Path | None, typer.Option("--junit", help="Write the results as JUnit's XML, for a build server.")
]
