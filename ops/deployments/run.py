"""Deploys an assembly under the lock, stack by stack, and writes the entry."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from ops import alarms, cdk, protection
from ops.assembly import Assembly, Stack
from ops.aws import Environment, time_of
from ops.aws_errors import explain
from ops.console import CliError, Phase, err, phase
from ops.deployments import in_progress, show
from ops.deployments.connection import Record
from ops.deployments.lease import Lease, acquire, now, refuse_held_by_hand
from ops.deployments.ledger import Entry, Outcome, Result, Start, new_id
from ops.deployments.lock import RENEWAL_SECONDS, Holder, new_run
from ops.paths import LOG_DIR

INTERRUPTED = 130
_CAUSE_LENGTH = 1000
_STABLE_MARGIN_SECONDS = 120
_NEVER_MADE = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is deployed where.

    Attributes
    ----------
    environment
        The environment.
    arguments
        Of the CDK CLI: `-c` and its values.
    assembly
        What is deployed.
    decide
        Returns the stacks that are deployed, in order, as things are now; refuses what must not be.
    approved
        Names of the stacks that the person has approved of.
    command
        The command that deploys, for those who wait.
    start
        What the entry says of it; id, run and assembly are filled in.
    lose
        Logical ids of what may be replaced or removed.
    wait
        Whether to wait for the lock.
    stops_what_runs
        Whether the lock is taken from its holder, and what AWS works on is stopped.
    """

    environment: Environment
    arguments: Sequence[str]
    assembly: Assembly
    decide: Callable[[], Sequence[Stack]]
    approved: Set[str]
    command: str
    start: Start
    lose: frozenset[str] = frozenset()
    wait: bool = False
    stops_what_runs: bool = False


def deploy(plan: Plan) -> Entry:
    """Deploy, and return the entry that was written.

    Raises
    ------
    CliError
        When the lock cannot be had, a stack fails, or the run is interrupted; the entry says so, too.
    """
    _make_record(plan)
    record = Record(plan.environment)
    with _locked(plan, record) as (lease, run):
        with phase("Archive") as current:
            digest = record.archive.store(plan.assembly.directory)
            current.result = digest[:12]
        start = replace(plan.start, id=new_id(_moment(plan.environment)), run=run, assembly=digest)
        record.ledger.add(start)
        done: list[Stack] = []
        try:
            if plan.stops_what_runs:
                _stop(plan.environment)
            _deploy_stacks(plan, lease, _decided(plan), done)
            outcome = _outcome(plan.environment, start, "succeeded")
            record.ledger.add(outcome)
        except KeyboardInterrupt:
            error = CliError("Interrupted.", exit_code=INTERRUPTED)
        except CliError as failure:
            error = failure
        except (BotoCoreError, ClientError) as failure:
            error = explain(failure)
        else:
            return Entry(start=start, outcome=outcome)
        _end(plan, record, lease, start, error)
        raise _with_state(plan, done, error)


def _make_record(plan: Plan) -> None:
    """Deploy the stack that makes the record, where there is none yet.

    There is no lock then: CloudFormation's own exclusion has to do, for this stack alone.
    """
    if Record(plan.environment).exists:
        return
    for stack in plan.assembly.stacks:
        if stack.layer == "state":
            try:
                _deploy_stack(plan, stack, threading.Event())
            except CliError as error:
                raise _with_state(plan, [], error) from error


def _decided(plan: Plan) -> Sequence[Stack]:
    """Return what is deployed, now that no one else deploys.

    Raises
    ------
    CliError
        When that is more than the person has approved of.
    """
    stacks = plan.decide()
    if more := [stack.name for stack in stacks if stack.name not in plan.approved]:
        raise CliError(
            f"The environment was changed meanwhile: {', '.join(more)} would be deployed, too.",
            remedy="Run the command again.",
        )
    return stacks


def _end(plan: Plan, record: Record, lease: Lease, start: Start, error: CliError) -> None:
    """Write how it ended, once AWS is at rest; a second Ctrl-C writes nothing and has the lease expire."""
    result: Result = "interrupted" if error.exit_code == INTERRUPTED or lease.lost else "failed"
    try:
        if not lease.lost:
            with phase("AWS comes to rest (the lock is kept)"):
                in_progress.wait_until_at_rest(plan.environment)
        record.ledger.add(_outcome(plan.environment, start, result, cause=error.message))
    except (KeyboardInterrupt, BotoCoreError, ClientError):
        # The history reads the outcome from CloudFormation.
        lease.abandon()


@contextmanager
def _locked(plan: Plan, record: Record) -> Iterator[tuple[Lease, str]]:
    holder = Holder(
        run=new_run(),
        by=plan.environment.caller_arn,
        command=plan.command,
        reason=plan.start.reason,
        since=now(),
    )
    forced = ""
    if plan.stops_what_runs and (state := record.lock.read()) and state.holder:
        refuse_held_by_hand(state)
        forced = state.holder.run
    held = acquire(
        record.lock,
        holder,
        what_runs=lambda: [] if plan.stops_what_runs else in_progress.running(plan.environment),
        execution_ended=record.execution_ended,
        wait=plan.wait,
        forced=forced,
        say=lambda text: err.print(f"Waiting. {text}", markup=False),
    )
    with Lease(record.lock, held).kept() as lease:
        if forced:
            with phase("The other deployment stops"):
                time.sleep(RENEWAL_SECONDS + 2)  # with its next renewal it notices, and ends its CDK CLI
        yield lease, holder.run


def _stop(environment: Environment) -> None:
    """Stop what AWS works on, and wait until it is rolled back."""
    if running := in_progress.running(environment):
        with phase("Stop what runs") as current:
            current.note(", ".join(map(str, running)))
            in_progress.wait_until_at_rest(environment, stopping=True)


def _deploy_stacks(plan: Plan, lease: Lease, stacks: Sequence[Stack], done: list[Stack]) -> None:
    protection.before_deployment(plan.environment, plan.assembly, lose=plan.lose)
    try:
        for stack in stacks:
            lease.require()
            _deploy_stack(plan, stack, lease.lost_event)
            done.append(stack)
        with phase("Service stable") as current:
            current.result = _wait_until_stable(plan.environment)
    finally:
        # However it ended: what was let go does not stay open.
        protection.after_deployment(plan.environment)


def _deploy_stack(plan: Plan, stack: Stack, lost: threading.Event) -> None:
    number = plan.start.changes.get(stack.name, 0)
    with phase(stack.name) as current:
        cdk.run_logged(
            ["deploy", stack.id, "--exclusively", "--app", str(plan.assembly.directory),
             "--require-approval", "never", "--progress", "events", *plan.arguments],
            LOG_DIR / f"deploy-{stack.name}.log",
            lambda line: _follow(current, line),
            approved=True,
            stop=lost,
        )  # fmt: skip
        current.result = show.resources(number)


def _follow(current: Phase, line: str) -> None:
    """Show the resource that an event of CloudFormation is about."""
    if event := cdk.event_of(line):
        current.note(f"{event.status} {event.resource}")


def _wait_until_stable(environment: Environment) -> str:
    """Wait until the service runs the tasks that it should, of one deployment."""
    deadline = time.monotonic() + environment.settings.ecs.start_seconds + _STABLE_MARGIN_SECONDS
    while True:
        service = in_progress.service(environment)
        if service is None:
            return "no service"
        deployments = service["deployments"]
        shown = f"{service['runningCount']} of {service['desiredCount']} tasks run"
        if len(deployments) == 1 and service["runningCount"] == service["desiredCount"]:
            return shown
        if time.monotonic() > deadline:
            raise CliError(
                f"The service is not stable: {shown}, {len(deployments)} deployments.",
                remedy=f"`./gantry status -e {environment.settings.environment}` shows its tasks.",
            )
        time.sleep(1)


def _moment(environment: Environment) -> datetime:
    """Return the time by the clock of AWS: entries of several machines are in one order."""
    return time_of(environment.client("sts").get_caller_identity())


def _outcome(environment: Environment, start: Start, result: Result, *, cause: str = "") -> Outcome:
    return Outcome(
        id=start.id,
        result=result,
        ended=_moment(environment).isoformat(timespec="seconds"),
        cause=cause[:_CAUSE_LENGTH],
        digest=in_progress.image_digest(environment),
    )


def _with_state(plan: Plan, done: Sequence[Stack], error: CliError) -> CliError:
    """Return a failure with the state that things are in, and the next command."""
    name = plan.environment.settings.environment
    try:
        statuses = {
            stack["StackName"]: stack["StackStatus"] for _, stack in in_progress.deployed(plan.environment)
        }
        in_alarm = alarms.in_alarm(plan.environment)
    except (BotoCoreError, ClientError):
        return error
    back = [stack for stack, status in statuses.items() if status == "UPDATE_ROLLBACK_COMPLETE"]
    state = [f"{stack.name} is deployed." for stack in done]
    state += [f"{stack} is as it was before: CloudFormation rolled it back." for stack in back]
    state += [
        f"{stack} is {status}."
        for stack, status in statuses.items()
        if status in _NEVER_MADE | in_progress.STUCK
    ]
    if any(status in _NEVER_MADE for status in statuses.values()):
        way = f"`./gantry clean-up -e {name}` removes what the failed creation left; then deploy again."
    elif done:
        way = f"`./gantry rollback -e {name} --last-good` deploys all of it as it was."
    else:
        way = f"Repair it and deploy again; `./gantry compare` and `./gantry status -e {name}` help."
    return CliError(
        "\n".join([error.message, *(f"  {line}" for line in state + in_alarm)]),
        detail=error.detail,
        remedy="\n".join(filter(None, (way, error.remedy))),
        exit_code=error.exit_code,
    )
