"""What a layer hands on is known by interfaces, so that a later layer cannot change or replace it."""

import dataclasses
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from typing_extensions import is_protocol

STACKS = Path(__file__).parents[3] / "stacks"
MODULES = [import_module(f"stacks.{file.stem}") for file in sorted(STACKS.glob("[!_]*.py"))]
REFERENCES = [
    (each, field)
    for module in MODULES
    for name, each in vars(module).items()
    if name.endswith("Refs") and each.__module__ == module.__name__
    for field in get_type_hints(each)
]


def concrete(annotation: Any) -> set[type]:  # noqa: ANN401 - any annotation
    """Return the classes in an annotation that are neither an interface nor plain data."""
    if arguments := get_args(annotation):
        return set[type]().union(*map(concrete, arguments))
    if dataclasses.is_dataclass(annotation):
        return set[type]().union(*map(concrete, get_type_hints(annotation).values()))
    if annotation in (str, type(None), Ellipsis) or is_protocol(annotation):
        return set()
    # Enumerations name, as the contract's secrets do.
    return set() if issubclass(annotation, str) else {annotation}


def test_there_is_something_to_look_at() -> None:
    assert len(REFERENCES) > 30


@pytest.mark.parametrize(("layer", "field"), REFERENCES, ids=lambda each: getattr(each, "__name__", each))
def test_reference_is_an_interface(layer: type, field: str) -> None:
    assert concrete(get_type_hints(layer)[field]) == set()
