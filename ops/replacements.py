"""What an update of stacks would replace or remove of what cannot be made again as it was."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ops.assembly import imports, targets

Template: TypeAlias = Mapping[str, Any]
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
CreateOnly: TypeAlias = Callable[[str], Collection[str]]


def as_read_back(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a template as GetTemplate returns it: CloudFormation puts a ? for what is not ASCII.

    The CDK CLI compares the same way ("mangleLikeCloudFormation").
    """
    if isinstance(value, str):
        return _NOT_ASCII.sub("?", value)
    if isinstance(value, list):
        return [as_read_back(each) for each in value]
    if isinstance(value, Mapping):
        return {as_read_back(name): as_read_back(each) for name, each in value.items()}
    return value


@dataclass(frozen=True, order=True, kw_only=True)
class Loss:
    """A resource that an update takes away.

    Attributes
    ----------
    stack, logical_id, type
        The resource.
    properties
        Create-only ones that change, so that it is replaced; none where it is removed.
    """

    stack: str
    logical_id: str
    type: str
    properties: tuple[str, ...]


def losses(
    before: Mapping[str, Template],
    after: Mapping[str, Template],
    create_only: CreateOnly,
) -> Iterator[Loss]:
    """Yield what an update of templates, by stack, replaces or removes.

    Parameters
    ----------
    before, after
        The templates; a stack that is in one of them alone is made or deleted as a whole, and says nothing.
    create_only
        Names of the properties, by type, that a resource keeps as long as it lives.
    """
    found: dict[tuple[str, str], Loss] = {}
    while new := [
        loss
        for stack in before.keys() & after.keys()
        for loss in _losses(stack, (before[stack], after[stack]), create_only, found, _exports(after, found))
        if (stack, loss.logical_id) not in found
    ]:
        found |= {(loss.stack, loss.logical_id): loss for loss in new}
    yield from sorted(found.values())


def _losses(
    stack: str,
    templates: tuple[Template, Template],
    create_only: CreateOnly,
    lost: Collection[tuple[str, str]],
    exports: frozenset[str],
) -> Iterator[Loss]:
    """Yield the losses of a stack where references to what is lost already have other values."""

    def changes(old: Any, new: Any) -> bool:  # noqa: ANN401 - JSON
        refers = any((stack, each) in lost for each in targets([new]))
        return bool(old != new or refers or not exports.isdisjoint(imports([new])))

    before, after = (template.get("Resources", {}) for template in templates)
    for logical_id, old in before.items():
        new = after.get(logical_id)
        properties: tuple[str, ...] = ()
        if new is not None and new["Type"] == old["Type"]:
            pairs = {name: (_property(old, name), _property(new, name)) for name in create_only(old["Type"])}
            properties = tuple(sorted(name for name, pair in pairs.items() if changes(*pair)))
            if not properties:
                continue
        yield Loss(stack=stack, logical_id=logical_id, type=old["Type"], properties=properties)


def _property(resource: Template, name: str) -> Any:  # noqa: ANN401 - JSON
    return resource.get("Properties", {}).get(name)


def _exports(templates: Mapping[str, Template], lost: Collection[tuple[str, str]]) -> frozenset[str]:
    """Return the names of the exports whose values are of what is lost."""
    return frozenset(
        output["Export"]["Name"]
        for stack, template in templates.items()
        for output in template.get("Outputs", {}).values()
        if "Export" in output and any((stack, each) in lost for each in targets(output["Value"]))
    )
