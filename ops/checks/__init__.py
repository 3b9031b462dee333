"""`./gantry check`: the checklists of an environment, each line a check that is made."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ops import cdk
from ops.assembly import synthesised
from ops.aws import Environment
from ops.cdk_arguments import Arguments
from ops.checks import report, running
from ops.checks.context import Context, Deployment
from ops.checks.post_deploy import POST_DEPLOY
from ops.checks.pre_deploy import PRE_DEPLOY
from ops.checks.report import Report
from ops.checks.results import AnyContext, Line, Outcome
from ops.checks.weekly import WEEKLY, Week
from ops.console import err, phase, write


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is checked, and how it is shown.

    Attributes
    ----------
    environment
        Its name.
    context
        Settings that `-c` gives.
    as_json
        Whether the data is printed as JSON.
    junit
        File for JUnit's XML.
    """

    environment: str
    context: Sequence[str] = ()
    as_json: bool = False
    junit: Path | None = None

    def connected(self) -> Environment:
        """Return the environment.

        Raises
        ------
        CliError
            When there is none of this name, or it is in the sandbox and that does not run.
        """
        return cdk.connected(self.arguments)

    @property
    def arguments(self) -> list[str]:
        """The environment and its settings, as the CDK CLI takes them."""
        given = (f"environment={self.environment}", *self.context)
        return [word for each in given for word in ("--context", each)]


def pre_deploy(request: Request) -> int:
    """Check what is about to be deployed and return the exit code: 1 unless everything is well."""
    connected = request.connected()
    overrides = [f"{key}={value}" for key, value in Arguments(request.arguments).overrides.items()]
    with ExitStack() as stack:
        with phase(f"Synthesise {request.environment}"):
            assembly = stack.enter_context(
                synthesised(request.environment, overrides=overrides, context={"nag:packs": "all"})
            )
        context = Deployment(connected, datetime.now(UTC), assembly=assembly)
        return _run("pre-deploy", PRE_DEPLOY, request, context)


def post_deploy(request: Request) -> int:
    """Check a deployed environment and return the exit code: 1 unless everything is well."""
    context = Context(request.connected(), datetime.now(UTC))
    return _run("post-deploy", POST_DEPLOY, request, context)


def weekly(request: Request, *, asks_costs: bool) -> int:
    """Check the last week of an environment and return the exit code: 1 unless everything is well."""
    context = Week(request.connected(), datetime.now(UTC), asks_costs=asks_costs)
    return _run("weekly", WEEKLY, request, context)


def _run(checklist: str, lines: Sequence[Line[AnyContext]], request: Request, context: AnyContext) -> int:
    with phase(f"Check {request.environment}") as current:
        checked = running.run(lines, context, on_done=current.note)
        found = Report(checklist, request.environment, context.now, checked)
        current.result = found.summary()
    if request.as_json:
        report.print_json(found)
    else:
        report.print_table(found)
    if request.junit is not None:
        write(request.junit, report.junit(found))
        err.print(f"The report is in {request.junit}.")
    return 0 if found.outcome is Outcome.OK else 1
