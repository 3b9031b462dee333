"""`./gantry lock`: who holds the deploy lock, and taking and giving it by hand."""

import json
from dataclasses import asdict, replace

from ops.aws import connect
from ops.console import CliError, err, out
from ops.deployments import in_progress, lease
from ops.deployments.connection import Record
from ops.deployments.lock import Holder, LostError, new_run


def _record(environment: str) -> Record:
    record = Record(connect(environment))
    if not record.exists:
        raise CliError(
            f"{environment} has no deploy lock yet: its state stack is not deployed.",
            remedy=f"`./gantry deploy -e {environment}` makes it.",
        )
    return record


def status(environment: str, *, as_json: bool) -> None:
    """Print who holds the lock."""
    state = _record(environment).lock.read()
    holder = state.holder if state else None
    if as_json:
        out.print_json(json.dumps({"held": holder is not None, "holder": asdict(holder) if holder else None}))
    elif holder is None:
        out.print("The deploy lock is free.")
    else:
        out.print(f"{lease.describe(holder)}.", markup=False)


def acquire(environment: str, *, reason: str, wait: bool) -> None:
    """Take the lock and keep it until it is released by hand.

    Raises
    ------
    CliError
        When it is held, or AWS is at work.
    """
    record = _record(environment)
    holder = Holder(
        run=new_run(), by=record.environment.caller_arn, command="./gantry lock acquire",
        reason=reason, since=lease.now(), lease_seconds=0,
    )  # fmt: skip
    lease.acquire(
        record.lock,
        holder,
        what_runs=lambda: in_progress.running(record.environment),
        execution_ended=record.execution_ended,
        wait=wait,
        say=lambda text: err.print(f"Waiting. {text}", markup=False),
    )
    err.print(f"{holder.name} holds the deploy lock of {environment} until `./gantry lock release`.")


def release(environment: str, *, force: str | None) -> None:
    """Give the lock back.

    Parameters
    ----------
    environment
        Name of the environment.
    force
        Name of the holder from whom it is taken; none where it is the caller's own.

    Raises
    ------
    CliError
        When it is another's, and that holder is not named.
    """
    record = _record(environment)
    state = record.lock.read()
    if state is None or (holder := state.holder) is None:
        err.print("The deploy lock is free.")
        return
    own = holder.by == record.environment.caller_arn and holder.lease_seconds == 0
    if not own and force not in {holder.name, holder.run, holder.by}:
        raise CliError(
            f"The deploy lock is not yours to release: {lease.describe(holder)}.",
            remedy=f"To take it away all the same: ./gantry lock release --force {holder.name}",
        )
    # Under a new number, so that a holder that still runs notices before its next stack.
    try:
        record.lock.release(record.lock.take(state, replace(holder, run=new_run())))
    except LostError:  # it was renewed in between
        release(environment, force=holder.run)
        return
    err.print("The deploy lock is free.")
