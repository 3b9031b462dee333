"""Deploys an assembly under the lock, stack by stack, and writes the entry."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from ops import cdk, protection
from ops.assembly import Assembly, Stack
from ops.aws import Environment
from ops.console import CliError, Phase, err, phase
from ops.deployments import in_progress, show
from ops.deployments.connection import Record
from ops.deployments.lease import Lease, acquire, now
from ops.deployments.ledger import Entry, Outcome, Result, Start, new_id
from ops.deployments.lock import Holder, new_run
from ops.paths import LOG_DIR

INTERRUPTED = 130
_CAUSE_LENGTH = 1000
_STABLE_MARGIN_SECONDS = 120
_NEVER_MADE = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"})
_STUCK = _NEVER_MADE | {"UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED"}


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
    stacks
        Those of the assembly that are, in order.
    command
        The command that deploys, for those who wait.
    start
        What the entry says of it; id, run, caller and assembly are filled in.
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
    stacks: Sequence[Stack]
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
    stacks = list(plan.stacks)
    if not Record(plan.environment).exists:
        # There is no lock yet: CloudFormation's own exclusion has to do, for this stack alone.
        first = next(each for each in stacks if each.layer == "state")
        _deploy_stack(plan, first)
        stacks.remove(first)
    record = Record(plan.environment)
    with _locked(plan, record) as (lease, run):
        if plan.stops_what_runs:
            _stop(plan.environment)
        with phase("Archive") as current:
            digest = record.archive.store(plan.assembly.directory)
            current.result = digest[:12]
        start = replace(plan.start, id=new_id(datetime.now(UTC)), run=run, assembly=digest)
        record.ledger.add(start)
        done: list[Stack] = []
        try:
            _deploy_stacks(plan, lease, stacks, done)
        except KeyboardInterrupt:
            error = CliError("Interrupted.", exit_code=INTERRUPTED)
        except CliError as failure:
            error = failure
        else:
            outcome = _outcome(plan.environment, start, "succeeded")
            record.ledger.add(outcome)
            return Entry(start=start, outcome=outcome)
        result: Result = "interrupted" if error.exit_code == INTERRUPTED or lease.lost else "failed"
        record.ledger.add(_outcome(plan.environment, start, result, cause=error.message))
        if result == "interrupted" and not lease.lost:
            _keep_until_at_rest(plan.environment)
        raise _with_state(plan, done, error)


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
        yield lease, holder.run


def _stop(environment: Environment) -> None:
    """Stop what AWS works on, and wait until it is rolled back."""
    if running := in_progress.running(environment):
        with phase("Stop what runs") as current:
            current.note(", ".join(map(str, running)))
            in_progress.stop(environment)
            in_progress.wait_until_at_rest(environment)


def _keep_until_at_rest(environment: Environment) -> None:
    """Keep the lock while CloudFormation goes on; a second Ctrl-C lets the lease expire by itself."""
    with phase("CloudFormation comes to rest (the lock is kept)"):
        in_progress.wait_until_at_rest(environment)


def _deploy_stacks(plan: Plan, lease: Lease, stacks: Sequence[Stack], done: list[Stack]) -> None:
    protection.before_deployment(plan.environment, plan.assembly, lose=plan.lose)
    try:
        for stack in stacks:
            lease.require()
            _deploy_stack(plan, stack)
            done.append(stack)
        with phase("Service stable") as current:
            current.result = _wait_until_stable(plan.environment)
    finally:
        # However it ended: what was let go does not stay open.
        protection.after_deployment(plan.environment)


def _deploy_stack(plan: Plan, stack: Stack) -> None:
    number = plan.start.changes.get(stack.name, 0)
    with phase(stack.name) as current:
        cdk.run_logged(
            ["deploy", stack.id, "--exclusively", "--app", str(plan.assembly.directory),
             "--require-approval", "never", "--progress", "events", *plan.arguments],
            LOG_DIR / f"deploy-{stack.name}.log",
            lambda line: _follow(current, line),
            approved=True,
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


def _outcome(environment: Environment, start: Start, result: Result, *, cause: str = "") -> Outcome:
    return Outcome(
        id=start.id,
        result=result,
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
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
        alarms = in_progress.alarms(plan.environment)
    except (BotoCoreError, ClientError):
        return error
    back = [stack for stack, status in statuses.items() if status == "UPDATE_ROLLBACK_COMPLETE"]
    state = [f"{stack.name} is deployed." for stack in done]
    state += [f"{stack} is as it was before: CloudFormation rolled it back." for stack in back]
    state += [f"{stack} is {status}." for stack, status in statuses.items() if status in _STUCK]
    if any(status in _NEVER_MADE for status in statuses.values()):
        way = f"`./gantry clean-up -e {name}` removes what the failed creation left; then deploy again."
    elif done:
        way = f"`./gantry rollback -e {name} --last-good` deploys all of it as it was."
    else:
        way = f"Repair it and deploy again; `./gantry compare` and `./gantry status -e {name}` help."
    return CliError(
        "\n".join([error.message, *(f"  {line}" for line in state + alarms)]),
        detail=error.detail,
        remedy="\n".join(filter(None, (way, error.remedy))),
        exit_code=error.exit_code,
    )
