"""`./gantry rollback`: deploys the archived assembly of an earlier entry."""

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from botocore.exceptions import ClientError

from ops import cdk, protection
from ops.assembly import Assembly, Stack, read
from ops.aws import Environment, connect_to
from ops.console import CliError, confirm, err, phase
from ops.deployments import changes, in_progress, lease, order, pipelines, refusals, run, show
from ops.deployments.committed import settings_or_committed
from ops.deployments.compare import chosen, print_changes, templates_of
from ops.deployments.connection import Record
from ops.deployments.ledger import Entry, Start
from ops.replacements import Template

_SHOWN = 10


def run_rollback(environment: str, *, to: str | None, newest_good: bool, reason: str, yes: bool) -> None:
    """Deploy what an earlier entry deployed.

    Parameters
    ----------
    environment
        Name of the environment.
    to
        Id of the entry, or its beginning.
    newest_good
        Whether the last one that succeeded and was not rolled back is meant.
    reason
        For the entry.
    yes
        Whether not to ask.

    Raises
    ------
    CliError
        When there is nothing to go back to, it would harm, or it does not succeed.
    """
    arguments = ["--context", f"environment={environment}"]
    with cdk.turn(arguments, alone=False):
        connected = connect_to(settings_or_committed(environment))
        connected.require_own_account()
        record = Record(connected)
        entries = record.ledger.entries() if record.exists else []
        target = _target(connected, record, entries, to=to, newest_good=newest_good)
        with tempfile.TemporaryDirectory(prefix="gantry-rollback-") as folder:
            with phase("Archive") as current:
                directory = record.archive.fetch(target.start.assembly, Path(folder))
                current.result = f"{target.id}, verified"
            entry = _deploy(connected, arguments, target, directory, reason=reason, yes=yes)
    err.print(f"Rolled back to {target.id} in {show.minutes(entry.seconds or 0)}: entry {entry.id}.")
    sys.stdout.write(f"{entry.id}\n")


def _deploy(
    environment: Environment,
    arguments: Sequence[str],
    target: Entry,
    directory: Path,
    *,
    reason: str,
    yes: bool,
) -> Entry:
    name = environment.settings.environment
    assembly = read(directory, environment=name)
    cdk.require_own(assembly, environment.settings)
    in_progress.refuse_stuck(environment)
    after = changes.templates(directory)

    def stacks_from(before: Mapping[str, Template]) -> Sequence[Stack]:
        protection.refuse(before, after)
        refusals.refuse(environment, before, after)
        return order.stacks(assembly, before, after)

    before = protection.deployed_templates(environment)
    stacks = stacks_from(before)
    found = changes.changes(before, after)
    _announce(environment, found, stacks)
    confirm(f"Roll {name} back to {target.id}?", yes=yes, otherwise="Nothing was changed")
    pipelines.disable_transition(environment, reason=f"rolled back to {target.id}")
    start = Start(
        id="", run="", by=environment.caller_arn, kind="rollback", reason=reason,
        commit=target.start.commit, clean=target.start.clean, image=target.start.image,
        overrides=target.start.overrides, changes=changes.count(found, after, before), of=target.id,
    )  # fmt: skip
    # What a deployment that is stopped leaves to be done is not known yet: the compute layer is approved of.
    approved = {_compute(assembly), *(stack.name for stack in stacks)}
    return run.deploy(
        run.Plan(
            environment=environment, arguments=arguments, assembly=assembly,
            decide=lambda: stacks_from(protection.deployed_templates(environment)), approved=approved,
            command=f"./gantry rollback -e {name}", start=start, stops_what_runs=True,
        )
    )  # fmt: skip


def _compute(assembly: Assembly) -> str:
    return next(stack.name for stack in assembly.stacks if stack.layer == order.ALONE)


def _announce(environment: Environment, found: list[changes.Change], stacks: Sequence[Stack]) -> None:
    """Show what would change, who is stopped, and whether it is more than the image."""
    print_changes(found)
    state = Record(environment).lock.read()
    if state and state.holder:
        lease.refuse_held_by_hand(state)
        err.print(f"The deploy lock is taken away: {lease.describe(state.holder)}.", markup=False)
    if running := in_progress.running(environment):
        err.print(f"This is stopped first: {', '.join(map(str, running))}.", markup=False)
    if [each.layer for each in stacks] != [order.ALONE]:
        others = ", ".join(each.name for each in stacks) or "no stack"
        err.print(f"More than the image differs: {others} would be deployed as they were.", markup=False)


def last_good(
    entries: Sequence[Entry], is_deployed: Callable[[Entry], bool] = lambda _: True
) -> Entry | None:
    """Return the deployment to go back to: the last that succeeded, but for the one that is deployed.

    A deployment that a rollback went back past is none: the rollback says that it was not good.

    Parameters
    ----------
    entries
        The newest first.
    is_deployed
        Returns whether an entry is what is deployed: after it, something may have been deployed without one.
    """
    good: list[Entry] = []
    for entry in reversed(entries):
        if entry.outcome is None or entry.outcome.result != "succeeded":
            continue
        if entry.start.kind == "rollback":
            position = next((i for i, each in enumerate(good) if each.id == entry.start.of), len(good))
            good = [*good[:position], entry]
        else:
            good.append(entry)
    if good and good[-1].id == entries[0].id and is_deployed(good[-1]):
        good.pop()
    return good[-1] if good else None


def _target(
    environment: Environment, record: Record, entries: Sequence[Entry], *, to: str | None, newest_good: bool
) -> Entry:
    name = environment.settings.environment
    if not entries:
        raise CliError(
            f"{name} has no deployment in its ledger to go back to.",
            remedy="`./gantry deploy` writes one; what `cdk deploy` deployed is in git alone.",
        )
    if to is not None:
        return chosen(entries, to)
    if newest_good:
        deployed = protection.deployed_templates(environment)

        def is_deployed(entry: Entry) -> bool:
            after = templates_of(record, entry)
            return not changes.count([], after, deployed)

        if (entry := last_good(entries, is_deployed)) is None:
            raise CliError(f"{name} has no earlier deployment that succeeded.", remedy="Name one with --to.")
        return entry
    _list(environment, record, entries[:_SHOWN])
    if not sys.stdin.isatty():
        raise CliError(
            "Which one is not said.", remedy="Name it with --to ID, or take --last-good.", exit_code=2
        )
    err.print("Entry to go back to: ", end="")
    return chosen(entries, sys.stdin.readline().strip() or "(none)")


def _list(environment: Environment, record: Record, entries: Sequence[Entry]) -> None:
    """Show the versions to choose from, each with what would change."""
    before = protection.deployed_templates(environment)
    for entry in entries:
        try:
            after = templates_of(record, entry)
            numbers = changes.count(changes.changes(before, after), after, before)
            would = show.stacks(numbers) or "nothing: it is what runs"
        except (CliError, ClientError) as error:
            would = f"not possible: {error}"
        commit, image = entry.start.commit[:7] or "no commit", show.version(entry.start.image)
        err.print(f"{entry.id}  {commit}  {image}  {show.result(entry)}", markup=False)
        err.print(f"    would change: {would}", style="dim", markup=False)
