"""Resource types that the emulated CloudFormation learns from the plug-in."""

import dataclasses
import secrets
import uuid
from collections.abc import Callable, Container, Mapping
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudformation
from ministack.services.cloudformation import provisioners, stacks

from sandbox.plugin.patching import wrap

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, Any]]
"""Physical id (what ``Ref`` returns) and attributes (what ``Fn::GetAtt`` returns)."""

Create = Callable[[str, Properties, str], Provisioned]
"""Takes logical id, properties and stack name."""
Update = Callable[[str, Properties, Properties, str, str | None], Provisioned]
"""Takes physical id, old and new properties, stack name and logical id."""
Delete = Callable[[str, Properties], None]
"""Takes physical id and properties."""

_blocking: set[str] = set()


class AllExcept(Container[str]):
    """Every property but the given ones."""

    def __init__(self, *names: str) -> None:
        self._names = frozenset(names)

    def __contains__(self, name: object) -> bool:
        return name not in self._names


def register(
    resource_type: str, *, create: Create, update: Update, delete: Delete, replaces: Container[str] = ()
) -> None:
    """Teach CloudFormation a resource type.

    Parameters
    ----------
    resource_type
        Such as ``AWS::EC2::FlowLog``.
    create, update, delete
        What the operations do.
    replaces
        The properties whose change replaces the resource ("Update requires: Replacement" in
        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html).
    """
    provisioners._RESOURCE_HANDLERS[resource_type] = {
        "create": create,
        "update": update,
        "update_with_logical_id": True,
        "delete": delete,
    }
    provisioners._REPLACING_PROPERTIES[resource_type] = replaces


def handlers(resource_type: str) -> dict[str, Any]:
    """Return ministack's own handlers of a type, for patching with `wrap`."""
    entry: dict[str, Any] = provisioners._RESOURCE_HANDLERS[resource_type]
    return entry


def follow_changes(entry: dict[str, Any], changed: Callable[[Provisioned, Properties], Provisioned]) -> None:
    """Have something done with what ministack's own handlers made or updated.

    Parameters
    ----------
    entry
        The type's handlers.
    changed
        Takes what is provisioned and the properties that it has now; returns what is provisioned.
    """

    @wrap(entry, "create")
    def create(original: Create, logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        return changed(original(logical_id, props, stack_name), props)

    @wrap(entry, "update")
    def update(
        original: Callable[..., Provisioned],
        physical_id: str,
        old_props: Properties,
        new_props: Properties,
        *rest: object,
    ) -> Provisioned:
        return changed(original(physical_id, old_props, new_props, *rest), new_props)


def run_off_the_event_loop(*resource_types: str) -> None:
    """Provision these types on a thread of their own: they start processes or wait for something."""
    _blocking.update(resource_types)


def install() -> None:
    """Make CloudFormation heed `run_off_the_event_loop`."""

    @wrap(stacks, "_runs_on_worker_thread")
    def runs_on_worker_thread(original: Callable[[str], bool], resource_type: str) -> bool:
        return resource_type in _blocking or original(resource_type)


@dataclasses.dataclass(frozen=True)
class TypeWithoutBehaviour:
    """A type without behaviour: its physical id and attributes are like AWS's.

    Attributes
    ----------
    ref
        Format of the physical id. Fields: ``{name}`` (see `named_by`), ``{hex}`` (17 digits), ``{uuid}``,
        ``{account}``, ``{region}``, and the resource's own properties that are strings.
    attributes
        Format of each attribute; field ``{ref}`` besides those of `ref`. Values that are not strings are
        returned as they are.
    replaces
        The properties whose change replaces the resource.
    named_by
        The property with the resource's name, dotted when it is a nested one; without a value the name is
        generated as CloudFormation does. A URL names its resource without the scheme.
    """

    ref: str
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    replaces: Container[str] = ()
    named_by: str = ""

    def register(self, resource_type: str) -> None:
        """Teach CloudFormation the type."""
        register(
            resource_type, create=self._create, update=self._update, delete=_forget, replaces=self.replaces
        )

    def _create(self, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        generated = provisioners._physical_name(stack_name, logical_id)
        fields = {key: value for key, value in properties.items() if isinstance(value, str)} | {
            "name": (self._name(properties) or generated).removeprefix("https://"),
            "hex": secrets.token_hex(9)[:17],
            "uuid": str(uuid.uuid4()),
            "account": get_account_id(),
            "region": get_region(),
        }
        fields["ref"] = self.ref.format_map(fields)
        return fields["ref"], {
            name: value.format_map(fields) if isinstance(value, str) else value
            for name, value in self.attributes.items()
        }

    def _name(self, properties: Properties) -> str | None:
        value: Any = properties
        for key in self.named_by.split("."):
            value = value.get(key) or {}
        return value or None

    def _update(
        self, physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str | None
    ) -> Provisioned:
        del old, new
        record = cloudformation._stacks[stack_name]["_resources"][logical_id]
        return physical_id, record["Attributes"]


def _forget(physical_id: str, properties: Properties) -> None:
    del physical_id, properties
