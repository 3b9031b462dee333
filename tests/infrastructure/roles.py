"""What a role of a template may do, decided as IAM decides it: nothing that no statement allows."""

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ops.assembly import Resource
from tests.infrastructure.arns import Reader
from tests.infrastructure.synthesis import Synthesised, as_list

_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "ArnLike": fnmatch.fnmatchcase,
    "Bool": lambda value, wanted: value == wanted.lower(),
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": fnmatch.fnmatchcase,
}


@dataclass(frozen=True)
class Statement:
    """A statement of an identity policy with its values as AWS reads them."""

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]

    def applies(self, action: str, resource: str, context: Mapping[str, str]) -> bool:
        return (
            any(fnmatch.fnmatch(action.lower(), each.lower()) for each in self.actions)
            and any(fnmatch.fnmatchcase(resource, each) for each in self.resources)
            and all(
                _holds(operator, context.get(key), wanted)
                for operator, keys in self.conditions.items()
                for key, wanted in keys.items()
            )
        )


def _holds(operator: str, value: str | None, wanted: Iterable[str]) -> bool:
    if operator == "Null":
        return (value is None) in {each == "true" for each in wanted}
    return value is not None and any(_OPERATORS[operator](value, each) for each in wanted)


@dataclass(frozen=True)
class Role:
    """A role with the statements of all its policies."""

    statements: tuple[Statement, ...]

    def allows(self, action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
        applying = [each for each in self.statements if each.applies(action, resource, context or {})]
        return bool(applying) and all(each.allows for each in applying)


def role_of(platform: Synthesised, user: Resource) -> Role:
    """Return the role of a function, or of another resource with a property `Role`."""
    (role,) = platform.assembly.referents(user, user.get("Role"))
    return Role(tuple(_statements(platform, role)))


def _statements(platform: Synthesised, role: Resource) -> Iterable[Statement]:
    reader = Reader(platform.assembly)

    def texts(policy: Resource, value: Any) -> tuple[str, ...]:  # noqa: ANN401 - JSON
        return tuple(reader.text(policy, each) for each in as_list(value))

    for policy in platform.of_type("AWS::IAM::Policy"):
        if role not in list(platform.assembly.referents(policy, policy.get("Roles"))):
            continue
        for body in policy.get("PolicyDocument", "Statement"):
            yield Statement(
                allows=body["Effect"] == "Allow",
                actions=tuple(as_list(body["Action"])),
                resources=texts(policy, body["Resource"]),
                conditions={
                    operator: {key: texts(policy, wanted) for key, wanted in keys.items()}
                    for operator, keys in body.get("Condition", {}).items()
                },
            )
