"""`./gantry deploy`: the whole of a deployment, from the checks to the entry."""

import os
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ops import cdk, protection
from ops.assembly import parse_overrides
from ops.console import CliError, confirm, err, phase
from ops.deployments import changes, in_progress, lease, run, show
from ops.deployments.connection import Commit, Record
from ops.deployments.ledger import Entry, Start

_LIKE = 3
# Values of these may be secret; the record keeps their names.
_UNNAMED = "ecs.environment."


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asks for.

    Attributes
    ----------
    image
        Of the service, instead of the one that the settings name; none for theirs.
    overrides
        Settings, each as ``key=value``.
    lose
        Logical ids of what may be replaced or removed.
    """

    environment: str
    image: str | None
    reason: str
    overrides: Sequence[str]
    lose: frozenset[str]
    wait: bool
    yes: bool


def deploy(request: Request) -> None:
    """Deploy an environment.

    Raises
    ------
    CliError
        When it does not succeed; says why, how things are, and what to do.
    """
    overrides = parse_overrides(request.overrides)
    if "environment" in overrides:
        raise CliError(f"-c environment={overrides['environment']} is given by -e here.")
    if request.image is not None:
        overrides["container_image"] = request.image
    arguments = _arguments(request.environment, overrides)
    _choose_engine()
    with cdk.turn(arguments):
        environment = cdk.connected(arguments)
        environment.require_own_account()
        record = Record(environment)
        if record.exists and not request.wait:
            lease.refuse_held_by_hand(record.lock.read())
        with phase("Assembly"):
            assembly = cdk.synthesise(arguments)
        after = changes.templates(assembly.directory)

        def differing() -> dict[str, int]:
            before = protection.deployed_templates(environment)
            protection.refuse(before, after, lose=request.lose)
            return changes.count(changes.changes(before, after), after, before)

        in_progress.refuse_stuck(environment)
        numbers = differing()
        if not numbers:
            err.print(f"Nothing changes: {request.environment} is as the code and its settings say.")
            return
        _announce(record, numbers)
        question = f"Deploy this to {request.environment} (account {environment.settings.account})?"
        confirm(question, yes=request.yes, otherwise="Nothing was deployed")
        commit = Commit.of_tree()
        start = Start(
            id="", run="", by=environment.caller_arn, kind="deploy", reason=request.reason,
            commit=commit.id, clean=commit.clean, image=changes.image(after),
            overrides=_recorded(overrides), changes=numbers,
        )  # fmt: skip
        plan = run.Plan(
            environment=environment, arguments=arguments, assembly=assembly,
            decide=lambda: [each for each in assembly.stacks if each.name in differing()],
            approved=numbers.keys(), command=f"./gantry deploy -e {request.environment}",
            start=start, lose=request.lose, wait=request.wait,
        )  # fmt: skip
        entry = run.deploy(plan)
    _done(entry, request.environment)


def _arguments(environment: str, overrides: Mapping[str, str]) -> list[str]:
    context = {"environment": environment, **overrides}
    return [word for key, value in context.items() for word in ("--context", f"{key}={value}")]


def _choose_engine() -> None:
    """Have the CDK CLI build images with the container engine that there is."""
    if "CDK_DOCKER" not in os.environ and shutil.which("docker") is None:
        for engine in ("finch", "podman"):
            if shutil.which(engine):
                os.environ["CDK_DOCKER"] = engine
                return


def _recorded(overrides: Mapping[str, str]) -> dict[str, str]:
    return {key: "(not recorded)" if key.startswith(_UNNAMED) else value for key, value in overrides.items()}


def _announce(record: Record, numbers: Mapping[str, int]) -> None:
    """Say what changes, and how long deployments like this one took."""
    for stack, number in numbers.items():
        err.print(f"  {stack:<40} {show.resources(number)}", markup=False)
    if record.exists:
        like = [
            entry.seconds
            for entry in record.ledger.entries(limit=50)
            if entry.seconds is not None
            and entry.outcome is not None
            and entry.outcome.result == "succeeded"
            and entry.start.kind == "deploy"
            and entry.start.changes.keys() == numbers.keys()
        ][:_LIKE]
        if len(like) == _LIKE:
            err.print(f"  The last three like this took {show.minutes(statistics.median(like))} (median).")


def _done(entry: Entry, environment: str) -> None:
    seconds = entry.seconds or 0
    err.print(f"Deployed in {show.minutes(seconds)}: entry {entry.id}.")
    err.print(
        f"  ./gantry status -e {environment}     how it runs\n"
        f"  ./gantry history -e {environment}    what was deployed"
    )
    sys.stdout.write(f"{entry.id}\n")
