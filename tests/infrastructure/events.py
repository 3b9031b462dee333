"""Which events a pattern of EventBridge matches, as far as the platform's patterns go."""

from collections.abc import Mapping
from typing import Any

from ops.assembly import Resource
from tests.infrastructure.arns import Reader
from tests.infrastructure.synthesis import Synthesised


def pattern_of(platform: Synthesised, rule: Resource) -> dict[str, Any]:
    """Return a rule's pattern with every reference resolved."""
    pattern: dict[str, Any] = _resolved(Reader(platform.assembly), rule, rule.get("EventPattern"))
    return pattern


def _resolved(reader: Reader, rule: Resource, value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_resolved(reader, rule, each) for each in value]
    if isinstance(value, Mapping):
        if any(key == "Ref" or key.startswith("Fn::") for key in value):
            return reader.text(rule, value)
        return {key: _resolved(reader, rule, inner) for key, inner in value.items()}
    return value


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Return whether an event has what a pattern asks for; of several values one is enough."""
    return all(_field(wanted, event, key) for key, wanted in pattern.items())


def _field(wanted: Any, event: Mapping[str, Any], key: str) -> bool:  # noqa: ANN401 - JSON
    if isinstance(wanted, Mapping):
        found = event.get(key)
        inner = found if isinstance(found, list) else [found]
        return any(isinstance(each, Mapping) and matches(wanted, each) for each in inner)
    return any(_is(each, event, key) for each in wanted)


def _is(wanted: Any, event: Mapping[str, Any], key: str) -> bool:  # noqa: ANN401 - JSON
    if not isinstance(wanted, Mapping):
        return bool(event.get(key) == wanted)
    ((test, argument),) = wanted.items()
    match test:
        case "exists":
            return (key in event) is argument
        case "anything-but":
            return key in event and event[key] not in argument
        case "numeric":
            comparison, bound = argument
            assert comparison == ">="
            return key in event and event[key] >= bound
    raise NotImplementedError(test)
