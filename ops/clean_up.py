"""`./gantry clean-up`: removes stacks whose first deployment failed, and what stacks left behind."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from botocore.exceptions import BotoCoreError, ClientError

from contract.environments import SANDBOX
from ops import cdk, failed_creations, leftovers
from ops.aws import Environment
from ops.console import CliError, confirm, err, phase
from ops.failed_creations import DELETED, NEVER_EXECUTED, Leftover, StackHistory

_KEY = "AWS::KMS::Key"
# Taking away what could not be deleted may take a deletion of its own.
_DELETIONS = 2


def run(environment: str, *, context: Sequence[str] = (), yes: bool = False, destroyed: bool = False) -> None:
    """Remove what the failed first deployment of an environment, or all its deleted stacks, left behind.

    Parameters
    ----------
    environment, context
        The environment, and the settings that the deployment was given with `-c`.
    yes
        Do not ask.
    destroyed
        Remove what the environment's stacks left, none of which exists any more.

    Raises
    ------
    CliError
        When AWS cannot be asked, refuses something, or there is no terminal to ask; when a stack exists whose
        environment is to be destroyed.
    """
    words = [word for given in (f"environment={environment}", *context) for word in ("--context", given)]
    connected = cdk.connected(words)
    connected.require_own_account()
    if destroyed:
        _remove_leftovers(connected, yes=yes)
    else:
        _clean_up(connected, yes=yes)


def suggest(arguments: Sequence[str]) -> None:
    """Say after a failed `cdk deploy` with these arguments what to do about stacks whose creation failed."""
    with suppress(CliError, BotoCoreError, ClientError):  # the CDK CLI has said what is wrong with them
        if text := _suggestion(cdk.connected(arguments)):
            err.print(text, soft_wrap=True)


def _suggestion(environment: Environment) -> str | None:
    found = failed_creations.find(environment)
    names = [each.name for each in found if each.status != DELETED and not each.changes]
    if not names:
        return None
    name, account = environment.settings.environment, environment.settings.account
    place = f" -c account={account}" if environment.endpoint_url and name != SANDBOX else ""
    return (
        f"The first deployment of {', '.join(names)} failed: find the cause above, let `./gantry clean-up "
        f"-e {name}{place}` remove what it left behind, and deploy again."
    )


def _clean_up(environment: Environment, *, yes: bool) -> None:
    creations = failed_creations.find(environment)
    if busy := [f"{each.name} ({each.status})" for each in creations if each.changes]:
        raise CliError(
            f"CloudFormation is at work on {', '.join(busy)}.", remedy="Run it again when that has ended."
        )
    found = [(each, each.leftovers()) for each in creations]
    found = [(each, left) for each, left in found if left or each.status != DELETED]
    if not found:
        name = environment.settings.environment
        err.print(f"Nothing to clean up: no stack of {name} is left from a first deployment that failed.")
        return
    for creation, left in found:
        _show(creation, left)
    confirm("Remove all this for good?", yes=yes, otherwise="Nothing was removed")
    for creation, _ in found:
        with phase(creation.name) as current:
            current.result = f"{_remove(creation)} removed"


def _remove_leftovers(environment: Environment, *, yes: bool) -> None:
    stacks = failed_creations.destroyed(environment)
    found = [(stack, left) for stack in stacks if (left := [e for e in stack.leftovers() if e.released])]
    if not found:
        name = environment.settings.environment
        err.print(f"Nothing to clean up: no deleted stack of {name} of the last 90 days left anything.")
        return
    for stack, left in found:
        _show(stack, left)
    confirm("Remove all this for good?", yes=yes, otherwise="Nothing was removed")
    refused: list[str] = []
    for last in (False, True):
        for stack, left in found:
            now = [each for each in left if (each.resource_type == _KEY) is last]
            if not now or (last and refused):
                continue
            with phase(f"{stack.name}, keys" if last else stack.name) as current:
                refused += (refusals := list(_refusals(stack, now)))
                current.result = f"{len(now) - len(refusals)} of {len(now)} removed"
    if refused:
        raise CliError(
            "AWS refuses to delete some of it; the keys stay: what is left may be encrypted with them.",
            detail="\n".join(refused),
        )


def _refusals(stack: StackHistory, left: Sequence[Leftover]) -> Iterator[str]:
    """Remove what a stack left; yield what AWS does not delete, such as locked objects, and why."""
    for each in left:
        try:
            leftovers.remove(stack.region, each.resource_type, each.physical_id)
        except ClientError as error:
            yield f"{each.resource_type} {each.physical_id}: {error}"


def _show(creation: StackHistory, left: Sequence[Leftover]) -> None:
    err.print(f"[bold]{creation.name}[/bold] in {creation.region.name}: {creation.status}")
    if creation.status == NEVER_EXECUTED:
        err.print("  a stack without resources, since its change set was not executed: is someone deploying?")
    for each in left:
        kind = leftovers.KINDS[each.resource_type]
        err.print(f"  {each.resource_type} [bold]{each.physical_id}[/bold]", soft_wrap=True)
        err.print(f"    lost: {kind.loss}")


def _remove(creation: StackHistory) -> int:
    """Remove what is left, the stack last: as long as it is there, the next call finds what it left."""
    removed = 0
    for _ in range(_DELETIONS + 1):
        for each in creation.leftovers():
            if each.released:
                leftovers.remove(creation.region, each.resource_type, each.physical_id)
                removed += 1
        if creation.status == DELETED:
            return removed
        creation = _deleted(creation)
    reasons = [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in creation.events
        if event["ResourceStatus"] == "DELETE_FAILED" and event["LogicalResourceId"] != creation.name
    ]
    raise CliError(
        f"CloudFormation cannot delete {creation.name}.",
        detail="\n".join(dict.fromkeys(reasons)),
        remedy="Remove what it names, and run the command again.",
    )


def _deleted(creation: StackHistory) -> StackHistory:
    """Delete a stack, its termination protection first, and return it as it is then."""
    client = creation.region.client("cloudformation")
    client.update_termination_protection(StackName=creation.stack_id, EnableTerminationProtection=False)
    client.delete_stack(StackName=creation.stack_id)
    for _ in leftovers.growing_pauses():
        creation = failed_creations.as_it_is(creation)
        if creation.status != "DELETE_IN_PROGRESS":
            break
    return creation
