"""Changes to ministack fail loudly when it is not what they were written for."""

import types
from collections.abc import Callable

import pytest

from sandbox.plugin import patching
from sandbox.plugin.patching import PatchError, check_version, wrap


@pytest.fixture
def module() -> types.ModuleType:
    module = types.ModuleType("somewhere")

    def greet(name: str, mark: str = "!") -> str:
        return f"hello {name}{mark}"

    module.__dict__["greet"] = greet
    return module


def test_a_replacement_gets_the_original_and_the_arguments(module: types.ModuleType) -> None:
    @wrap(module, "greet")
    def greet(original: Callable[[str, str], str], name: str, mark: str = "?") -> str:
        return original(name.upper(), mark) + mark

    assert module.greet("ann") == "hello ANN??"
    assert module.greet("ann", mark=".") == "hello ANN.."


def test_an_entry_of_a_dictionary_can_be_replaced(module: types.ModuleType) -> None:
    table = {"Greet": module.greet}

    @wrap(table, "Greet")
    def greet(original: Callable[..., str], name: str, *rest: str) -> str:
        return original(name, *rest) + " and goodbye"

    assert table["Greet"]("ann", ".") == "hello ann. and goodbye"


def test_what_is_missing_is_named(module: types.ModuleType) -> None:
    with pytest.raises(PatchError, match=r"should have somewhere\.wave"):
        wrap(module, "wave")(lambda original: original)
    with pytest.raises(PatchError, match="should have the entry 'Wave'"):
        wrap({}, "Wave")(lambda original: original)


def test_other_parameters_are_refused(module: types.ModuleType) -> None:
    def renamed(original: Callable[..., str], person: str, mark: str = "!") -> str:
        return original(person, mark)

    def fewer(original: Callable[..., str], name: str) -> str:
        return original(name)

    for replacement in (renamed, fewer):
        with pytest.raises(PatchError, match=r"greet of ministack takes \['name', 'mark'\]"):
            wrap(module, "greet")(replacement)


def test_another_version_of_ministack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_version()
    monkeypatch.setattr(patching, "MINISTACK_VERSION", "1.0.0")
    with pytest.raises(PatchError, match=r"relies on private functions of 1\.0\.0"):
        check_version()
