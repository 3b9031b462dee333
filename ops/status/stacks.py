"""The stacks of an environment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import ClientError

from ops.status.look import Look
from ops.status.part import Part, counted

_NOT_DEPLOYED = "NOT_DEPLOYED"
# A deployment that was rolled back leaves a stack as it was before; a creation that was leaves nothing.
_USABLE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"})
_PLAIN = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A layer's stack; the status is CloudFormation's, or ``NOT_DEPLOYED``."""

    layer: str
    stack: str
    region: str
    status: str
    changed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Stacks(Part):
    """The stacks in the order of their layers."""

    items: Sequence[Stack]

    def problems(self) -> Iterator[str]:
        """Yield each stack that is neither usable nor on its way there."""
        for each in self.items:
            if each.status not in _USABLE and not each.status.endswith("_IN_PROGRESS"):
                yield f"{each.stack} is {each.status}"

    def lines(self) -> Iterator[str]:
        """Yield how many are complete, and each of which there is more to say."""
        complete = sum(each.status in _PLAIN for each in self.items)
        yield f"{complete} of {counted(len(self.items), 'stack')} complete"
        for each in self.items:
            if each.status not in _PLAIN:
                yield f"{each.layer:<14} {each.status}"


def read(look: Look) -> Stacks:
    """Return the stacks that the environment has by its settings."""
    places = look.settings.places.items()
    return Stacks(items=[_stack(look, layer, region) for layer, region in places])


def _stack(look: Look, layer: str, region: str) -> Stack:
    name = look.settings.stack_name(layer)
    status, changed_at = _NOT_DEPLOYED, None
    try:
        found = look.environment.cloudformation_in(region).describe_stacks(StackName=name)["Stacks"][0]
        status, changed_at = found["StackStatus"], found.get("LastUpdatedTime", found["CreationTime"])
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
    return Stack(layer=layer, stack=name, region=region, status=status, changed_at=changed_at)
