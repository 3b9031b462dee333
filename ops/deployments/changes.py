"""What differs between two sets of templates, by stack, resource and property."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from contract.service import CONTAINER
from ops.replacements import Template, as_read_back

Action: TypeAlias = Literal["added", "removed", "changed"]
_MISSING = object()


@dataclass(frozen=True, kw_only=True)
class Change:
    """A resource that differs.

    Attributes
    ----------
    stack, logical_id, type
        The resource.
    action
        What becomes of it on the way from the first templates to the second.
    properties
        Paths of what differs in it, with the values before and after; none where it is added or removed.
    """

    stack: str
    logical_id: str
    type: str
    action: Action
    properties: Mapping[str, tuple[Any, Any]]


def templates(files: Mapping[str, bytes] | Path) -> dict[str, Template]:
    """Return the templates of an assembly by the names of the stacks, from its folder or its files."""

    def read(name: str) -> Any:  # noqa: ANN401 - JSON
        return as_read_back(
            json.loads((files / name).read_bytes() if isinstance(files, Path) else files[name])
        )

    return {
        artifact["properties"].get("stackName", identity): read(artifact["properties"]["templateFile"])
        for identity, artifact in read("manifest.json")["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    }


def changes(before: Mapping[str, Template], after: Mapping[str, Template]) -> list[Change]:
    """Return what differs, in the order of the second templates."""
    return [
        change
        for stack in dict.fromkeys([*after, *before])
        for change in _changes(stack, before.get(stack, {}), after.get(stack, {}))
    ]


def count(
    found: list[Change], after: Mapping[str, Template], before: Mapping[str, Template]
) -> dict[str, int]:
    """Return how many resources change in each stack that changes; 0 where only other parts of it do."""
    numbers = {stack: 0 for stack in after if before.get(stack) != after[stack]}
    for change in found:
        if change.stack in numbers:
            numbers[change.stack] += 1
    return numbers


def _changes(stack: str, before: Template, after: Template) -> Iterator[Change]:
    old, new = before.get("Resources", {}), after.get("Resources", {})
    for logical_id in dict.fromkeys([*new, *old]):
        a, b = old.get(logical_id), new.get(logical_id)
        properties: Mapping[str, tuple[Any, Any]] = {}
        action: Action = "added" if a is None else "removed"
        if a is not None and b is not None:
            properties = dict(_differences(_deployable(a), _deployable(b), ""))
            action = "changed"
            if not properties:
                continue
        kind = (b or a)["Type"]
        yield Change(stack=stack, logical_id=logical_id, type=kind, action=action, properties=properties)


def _deployable(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource without what CloudFormation does not act on."""
    return {name: value for name, value in resource.items() if name != "Metadata"}


def _differences(a: Any, b: Any, path: str) -> Iterator[tuple[str, tuple[Any, Any]]]:  # noqa: ANN401 - JSON
    if isinstance(a, Mapping) and isinstance(b, Mapping) and not _is_function(a) and not _is_function(b):
        for key in dict.fromkeys([*a, *b]):
            inner = f"{path}.{key}" if path else key
            yield from _differences(a.get(key, _MISSING), b.get(key, _MISSING), inner)
    elif (x := _by_name(a)) is not None and (y := _by_name(b)) is not None:
        for name in dict.fromkeys([*y, *x]):
            yield from _differences(x.get(name, _MISSING), y.get(name, _MISSING), f"{path}[{name}]")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _differences(x, y, f"{path}[{index}]")
    elif a != b:
        yield path.removeprefix("Properties."), (_shown(a), _shown(b))


def _by_name(value: Any) -> dict[str, Any] | None:  # noqa: ANN401 - JSON
    """Return a list whose items have names, as variables and tags do, by the names."""
    if not isinstance(value, list):
        return None
    for key in ("Name", "Key"):
        if all(isinstance(each, Mapping) and isinstance(each.get(key), str) for each in value):
            named = {each[key]: each for each in value}
            return named if len(named) == len(value) else None
    return None


def _is_function(value: Mapping[str, Any]) -> bool:
    """Return whether an object is an intrinsic function of CloudFormation."""
    return len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref"))


def _shown(value: Any) -> Any:  # noqa: ANN401 - JSON
    return None if value is _MISSING else value


def service_containers(found: Mapping[str, Template]) -> Iterator[Mapping[str, Any]]:
    """Yield the service's container in the task definitions of templates."""
    for template in found.values():
        for resource in template.get("Resources", {}).values():
            if resource["Type"] == "AWS::ECS::TaskDefinition":
                for container in resource["Properties"]["ContainerDefinitions"]:
                    if container["Name"] == CONTAINER:
                        yield container


def image(found: Mapping[str, Template]) -> str:
    """Return the service's image, as its task definition names it; empty where there is none."""
    for container in service_containers(found):
        named = container["Image"]
        return named if isinstance(named, str) else str(next(iter(named.values())))
    return ""
