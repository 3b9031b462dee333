"""Changes to ministack at run time; each fails loudly when ministack is not what it was written for."""

import functools
import importlib.metadata
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

MINISTACK_VERSION = "1.5.33"


class PatchError(RuntimeError):
    """ministack does not have what the plug-in builds on."""


def check_version() -> None:
    """Make sure that the installed ministack is the one that the plug-in was written for.

    Raises
    ------
    PatchError
        If it is another version.
    """
    installed = importlib.metadata.version("ministack")
    if installed != MINISTACK_VERSION:
        raise PatchError(
            f"ministack {installed} is installed, but the sandbox's plug-in relies on private functions of "
            f"{MINISTACK_VERSION}: install that version, or adapt sandbox/plugin and its MINISTACK_VERSION."
        )


def wrap(owner: ModuleType | dict[str, Any], name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace a function of ministack by the decorated one, which gets the original as its first argument.

    Parameters
    ----------
    owner
        Module that has the function as an attribute, or dictionary that has it as an entry.
    name
        Name of the attribute or key of the entry.

    Raises
    ------
    PatchError
        If there is no such function, or its parameters are not those of the decorated function, which may
        leave out the last ones by taking ``*rest``.
    """

    def decorate(replacement: Callable[..., Any]) -> Callable[..., Any]:
        original = owner.get(name) if isinstance(owner, dict) else getattr(owner, name, None)
        where = f"{owner.__name__}.{name}" if isinstance(owner, ModuleType) else f"the entry {name!r}"
        if not callable(original):
            raise PatchError(f"ministack {MINISTACK_VERSION} should have {where}")
        _check_parameters(where, original, replacement)
        patched = functools.partial(replacement, original)
        functools.update_wrapper(patched, original)
        if isinstance(owner, dict):
            owner[name] = patched
        else:
            setattr(owner, name, patched)
        return replacement

    return decorate


def _check_parameters(where: str, original: Callable[..., Any], replacement: Callable[..., Any]) -> None:
    expected = [
        name
        for name, parameter in inspect.signature(replacement).parameters.items()
        if parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    ][1:]
    open_ended = len(expected) + 1 < len(inspect.signature(replacement).parameters)
    actual = list(inspect.signature(original).parameters)
    if expected != (actual[: len(expected)] if open_ended else actual):
        raise PatchError(f"{where} of ministack takes {actual}, but the plug-in expects {expected}")
