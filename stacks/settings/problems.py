"""Says what is wrong with settings: file, key, value and what is allowed, all of it at once."""

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stacks.settings.environment import keys
from stacks.settings.model import ImpossibleError
from stacks.settings.schema import allowed


class SettingsError(Exception):
    """The settings cannot be used; the message names file, key, value and what is allowed."""


def explain(model: type[BaseModel], file: Path, error: ValidationError, origins: Mapping[str, str]) -> str:
    """Return one message for everything that validation found.

    Parameters
    ----------
    model
        What the file was read as.
    file
        The environment's file.
    error
        What was found.
    origins
        Where a value came from, by its key, when not from the file.
    """
    lines = [f"{shown(file)} cannot be used:"]
    for details in error.errors(include_url=False):
        for key, value, problem in _problems(model, details):
            origin = f" (from {origins[key]})" if key in origins else ""
            lines.append(f"  {key}{value}{origin}: {problem}")
    return "\n".join(lines)


def shown(file: Path) -> str:
    """Return a file's name with its folder's."""
    return "/".join(file.parts[-2:])


def _problems(model: type[BaseModel], details: ErrorDetails) -> Iterator[tuple[str, str, str]]:
    location = [str(part) for part in details["loc"]]
    error = details.get("ctx", {}).get("error")
    if isinstance(error, ImpossibleError):
        for problem in error.problems:
            yield ".".join([*location, problem.key]), _value(problem.value), problem.allowed
        return
    key = ".".join(location)
    if details["type"] == "extra_forbidden":
        yield key, _value(details["input"]), f"there is no such setting{_nearest(model, key)}"
    elif details["type"] == "missing":
        yield key, "", f"is missing; must be {allowed(model, location)}"
    elif isinstance(error, ValueError):
        yield key, _value(details["input"]), str(error)
    else:
        yield key, _value(details["input"]), f"must be {allowed(model, location)}"


def _value(value: object) -> str:
    """Return a value as TOML writes it."""
    try:
        return "" if value is None else f" = {json.dumps(value, ensure_ascii=False, default=str)}"
    except ValueError:  # Python reads a hexadecimal number of any length, but writes only 4300 digits
        return " = (a number of thousands of digits)"


def _nearest(model: type[BaseModel], key: str) -> str:
    found = difflib.get_close_matches(key, list(keys(model)), n=1)
    return f" (did you mean {found[0]}?)" if found else ""
