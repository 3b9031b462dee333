"""Creations of stacks that failed, and deleted stacks: which there are, and what each left behind."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from ops import leftovers
from ops.aws import Environment
from ops.console import CliError
from ops.leftovers import Region
from stacks.settings import LAYERS

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import StackEventTypeDef

STACKS = (*LAYERS[:2], "recovery", *LAYERS[2:5], "global", *LAYERS[5:])
"""The layers that an environment's stacks are named after, in the order in which they are created."""

DELETED = "DELETE_COMPLETE"
NEVER_EXECUTED = "REVIEW_IN_PROGRESS"
_FAILED = frozenset(
    {NEVER_EXECUTED, "CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", DELETED}
)
_CREATED = ("CREATE_COMPLETE", "IMPORT_COMPLETE", "UPDATE_")
_STARTED = frozenset({"CREATE_IN_PROGRESS", "CREATE_COMPLETE"})
# CloudFormation is done with what its last event says one of these of.
_RELEASED = frozenset({"DELETE_SKIPPED", "DELETE_FAILED", DELETED})
# Log groups that a service makes by itself, named after a resource; with a slash at the end all below it.
_SERVICE_LOG_GROUPS = {
    "AWS::ECS::Cluster": "/aws/ecs/containerinsights/{}/",
    "AWS::Lambda::Function": "/aws/lambda/{}",
    "AWS::RDS::DBCluster": "/aws/rds/cluster/{}/",
}
_LOG_GROUP = "AWS::Logs::LogGroup"
# S3 dates buckets, and CloudFormation events, by clocks of their own.
_SLACK = timedelta(minutes=1)


@dataclass(frozen=True)
class Leftover:
    """A resource that a stack made, which is not there any more or was never created, and that still exists.

    Attributes
    ----------
    resource_type, physical_id
        What it is.
    released
        Whether CloudFormation is done with it.
    """

    resource_type: str
    physical_id: str
    released: bool


@dataclass(frozen=True)
class StackHistory:
    """A stack that never reached CREATE_COMPLETE, or was deleted.

    Attributes
    ----------
    region
        Where it is.
    stack_id, name, status
        The stack, which may be deleted already.
    events
        All of its events, the oldest first.
    """

    region: Region
    stack_id: str
    name: str
    status: str
    events: "Sequence[StackEventTypeDef]"

    @property
    def changes(self) -> bool:
        """Whether CloudFormation is at work on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != NEVER_EXECUTED

    def leftovers(self) -> list[Leftover]:
        """Return what it left behind, in the order in which that can be deleted."""
        found = [
            Leftover(kind, name, released)
            for (kind, name), released in self._made().items()
            if self._owns(kind, leftovers.created(self.region, kind, name))
        ]
        return found[::-1]

    def _made(self) -> dict[tuple[str, str], bool]:
        """Return what it made, the earliest first, and whether CloudFormation is done with it."""
        made: dict[tuple[str, str], bool] = {}
        for kind, name in self._service_log_groups():
            made[kind, name] = True
        for event in self.events:
            resource = event["ResourceType"], event.get("PhysicalResourceId", "")
            status = event["ResourceStatus"]
            if resource in made or (resource[1] and status in _STARTED and resource[0] in leftovers.KINDS):
                made[resource] = status in _RELEASED
        return made

    def _service_log_groups(self) -> Iterator[tuple[str, str]]:
        for event in self.events:
            pattern, name = _SERVICE_LOG_GROUPS.get(event["ResourceType"]), event.get("PhysicalResourceId")
            if pattern and name and event["ResourceStatus"] in _STARTED:
                for group in leftovers.log_groups(self.region, pattern.format(name)):
                    yield _LOG_GROUP, group

    def _owns(self, kind: str, created: datetime | None) -> bool:
        """Return whether a resource is this stack's own: another one may have the same name."""
        if created is None or created is leftovers.UNDATED:
            return created is not None
        begun, ended = self.events[0]["Timestamp"], self.events[-1]["Timestamp"]
        if kind == _LOG_GROUP:  # services make them whenever they have something to log
            ended = datetime.now(UTC)
        return begun - _SLACK <= created <= ended + _SLACK


def find(environment: Environment) -> list[StackHistory]:
    """Return the failed creations of an environment's stacks, the last layer first.

    A stack that was created successfully hides those before it: what they left is in no one's way then, and
    may be in use.
    """
    found: list[StackHistory] = []
    for region, stacks in _by_name(environment):
        found += takewhile(_failed, (_with_events(region, each) for each in stacks))
    return found[::-1]


def destroyed(environment: Environment) -> list[StackHistory]:
    """Return the deleted stacks of an environment that has no stack any more, the last layer first.

    Raises
    ------
    CliError
        When it has one: what the deleted ones left may be in use.
    """
    found: list[StackHistory] = []
    for region, stacks in _by_name(environment):
        if there := [each for each in stacks if each["StackStatus"] != DELETED]:
            name, status = there[0]["StackName"], there[0]["StackStatus"]
            raise CliError(
                f"{name} is {status}: what other stacks left may be in use.",
                remedy=f"`./gantry cdk destroy --all -c environment={environment.settings.environment}` "
                "comes first.",
            )
        found += [_with_events(region, each) for each in stacks]
    return found[::-1]


def as_it_is(creation: StackHistory) -> StackHistory:
    """Return a failed creation as it is now."""
    client = creation.region.client("cloudformation")
    return _with_events(creation.region, client.describe_stacks(StackName=creation.stack_id)["Stacks"][0])


def _by_name(environment: Environment) -> Iterator[tuple[Region, list[dict[str, Any]]]]:
    """Yield the stacks of each name in each region, the newest first; deleted ones are listed for 90 days."""
    for name in environment.settings.regions:
        region = Region(name, environment.session, environment.endpoint_url)
        pages = region.client("cloudformation").get_paginator("list_stacks").paginate()
        stacks = [stack for page in pages for stack in page["StackSummaries"]]
        for layer in STACKS:
            named = [each for each in stacks if each["StackName"] == environment.settings.stack_name(layer)]
            yield region, sorted(named, key=lambda stack: stack["CreationTime"], reverse=True)


def _with_events(region: Region, stack: dict[str, Any]) -> StackHistory:
    client, stack_id = region.client("cloudformation"), stack["StackId"]
    pages = client.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    events = [event for page in pages for event in page["StackEvents"]]
    return StackHistory(region, stack_id, stack["StackName"], stack["StackStatus"], events[::-1])


def _failed(stack: StackHistory) -> bool:
    """Return whether a stack never reached CREATE_COMPLETE; its status alone does not say so.

    Events are kept for 90 days: a history that does not begin with the creation proves nothing.
    """
    own = [
        event["ResourceStatus"]
        for event in stack.events
        if event["ResourceType"] == "AWS::CloudFormation::Stack" and event["LogicalResourceId"] == stack.name
    ]
    whole = own[:1] in ([NEVER_EXECUTED], ["CREATE_IN_PROGRESS"]) or stack.status == NEVER_EXECUTED
    ended = stack.status in _FAILED or stack.status.endswith("_IN_PROGRESS")
    return ended and whole and not any(status.startswith(_CREATED) for status in own)
