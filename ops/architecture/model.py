"""What the map shows: layers in order, what each holds, what it takes from the others."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ops.architecture import request_path
from ops.architecture.request_path import Step
from ops.architecture.vocabulary import SUPPORTING, Kind, fact, term_of, words
from ops.assembly import Assembly, Resource, Stack

_NUMBER = re.compile(r" ?\d+$")
# Helpers that the CDK adds to a stack by itself.
_MADE_BY_CDK = re.compile(r"Custom::|AWS[0-9a-f]{32}$|LogRetention|BucketNotificationsHandler")


@dataclass(frozen=True)
class Item:
    """Resources of one type inside a construct."""

    label: str
    detail: str
    kind: Kind


@dataclass(frozen=True)
class Group:
    """A construct of a stack, and what it holds; without a title where the one thing in it says all."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Use:
    """What a layer takes from an earlier one."""

    producer: str
    resources: tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """A stack of the environment; `other_region` is empty where it is that of the first stack."""

    name: str
    description: str
    other_region: str
    groups: tuple[Group, ...]
    uses: tuple[Use, ...]
    resources: int


@dataclass(frozen=True)
class Map:
    """The whole picture."""

    environment: str
    request_path: tuple[Step, ...]
    layers: tuple[Layer, ...]


def of(assembly: Assembly) -> Map:
    """Return the map of an assembly."""
    uses = _uses(assembly)
    return Map(
        assembly.environment,
        request_path.steps(assembly),
        tuple(
            Layer(
                name=stack.id,
                description=stack.description.partition(": ")[2] or stack.description,
                other_region="" if stack.region == assembly.stacks[0].region else stack.region,
                groups=tuple(_groups(stack)),
                uses=uses[stack.id],
                resources=len(stack.resources),
            )
            for stack in assembly.stacks
        ),
    )


def _groups(stack: Stack) -> Iterable[Group]:
    """Yield what a person composed: the stack's own constructs; lone resources of one type share a group."""
    composed: dict[str, list[Resource]] = defaultdict(list)
    for resource in stack.resources:
        root = resource.construct.split("/")[0]
        if resource.type not in SUPPORTING and not _MADE_BY_CDK.match(root):
            composed[root].append(resource)
    lone: dict[str, list[Resource]] = defaultdict(list)
    for name, members in composed.items():
        if len(members) == 1 and members[0].construct == name:
            lone[members[0].type].append(members[0])
        else:
            # What watches over a construct matters less than what it is.
            items = sorted(_items(members), key=lambda item: item.kind is Kind.OPERATIONS)
            yield _group(words(name), items)
    for kind, members in lone.items():
        yield _lone_group(kind, members)


def _lone_group(kind: str, members: Sequence[Resource]) -> Group:
    term = term_of(kind)
    if len(members) == 1:
        return _group(words(members[0].name), [Item(term.noun, fact(members[0]), term.kind)])
    items = (Item(_own_name(member), fact(member), term.kind) for member in members)
    return Group(_title(term.counted(len(members))), tuple(items))


def _group(title: str, items: Sequence[Item]) -> Group:
    """Return a group; where its one item says what the title says, the longer of the two says it alone."""
    if len(items) == 1:
        label = items[0].label
        if label == title or title.endswith(f" {label}"):
            return Group("", (replace(items[0], label=title),))
        if label.endswith(f" {title}"):
            return Group("", tuple(items))
    return Group(_title(title), tuple(items))


def _items(members: Sequence[Resource]) -> Iterable[Item]:
    by_type: dict[str, list[Resource]] = defaultdict(list)
    for member in members:
        by_type[member.type].append(member)
    for kind, alike in by_type.items():
        term = term_of(kind)
        facts = ", ".join(dict.fromkeys(filter(None, map(fact, alike))))
        names = names_of(alike)
        yield Item(term.counted(len(alike)), facts or (names if "," in names else ""), term.kind)


def names_of(resources: Sequence[Resource]) -> str:
    """Return the names of resources of one type; those that differ only in a number are counted."""
    names = [_own_name(resource) for resource in resources]
    stems = Counter(_NUMBER.sub("", name) for name in names)
    shown = dict.fromkeys(
        f"{stem} ({stems[stem]})" if stems[stem] > 1 else name
        for name, stem in ((name, _NUMBER.sub("", name)) for name in names)
    )
    return ", ".join(shown)


def _own_name(resource: Resource) -> str:
    """Return what tells a resource from its like; where that is the type's name, its parent's name does."""
    parts = resource.construct.split("/")
    while len(parts) > 1 and _repeats_type(resource, parts[-1]):
        parts.pop()
    noun = resource.type.rsplit("::", 1)[-1]
    return words(re.sub(rf"(?i)(?<=[a-z]){noun}(?=\d*$)", "", parts[-1]))


def _repeats_type(resource: Resource, name: str) -> bool:
    noun = resource.type.rsplit("::", 1)[-1].lower()
    return name.lower() in {noun, noun.removeprefix("db")}


def _uses(assembly: Assembly) -> dict[str, tuple[Use, ...]]:
    taken: dict[str, dict[str, dict[str, Resource]]] = defaultdict(lambda: defaultdict(dict))
    for reference in assembly.cross_stack_references():
        producer = reference.producer
        taken[reference.consumer.stack][producer.stack][producer.logical_id] = producer
    order = [stack.id for stack in assembly.stacks]
    return {
        consumer: tuple(
            Use(producer, tuple(_descriptions(taken[consumer][producer].values())))
            for producer in order
            if producer in taken[consumer]
        )
        for consumer in order
    }


def _descriptions(resources: Iterable[Resource]) -> Iterable[str]:
    by_type: dict[str, list[Resource]] = defaultdict(list)
    for resource in sorted(resources, key=lambda each: (each.type, each.construct)):
        by_type[resource.type].append(resource)
    nameless: list[str] = []
    for kind, alike in by_type.items():
        term = term_of(kind)
        if len(alike) > 1:
            yield f"{term.plural or term.noun + 's'}: {names_of(alike)}"
        elif _repeats_type(alike[0], alike[0].name):
            nameless.append(term.noun)
        else:
            yield f"{term.noun}: {names_of(alike)}"
    if nameless:
        yield ", ".join(nameless)


def _title(text: str) -> str:
    return text[:1].upper() + text[1:]
