"""Reads an environment's settings: its file, and what a command line or variable puts in their place."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from stacks.settings.environment import Settings
from stacks.settings.problems import SettingsError, explain, shown

CONFIG_DIR = Path(__file__).resolve().parents[2] / "config"
# Context that the CDK CLI itself keeps; all its other keys carry one of these characters.
_CDK_KEYS = frozenset({"acknowledged-issue-numbers", "cli-telemetry", "environment"})
_CDK_CHARACTERS = frozenset("@:/")


def load_settings(
    environment: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    region: str | None = None,
    config_dir: Path = CONFIG_DIR,
) -> Settings:
    """Read and validate the settings of an environment.

    Parameters
    ----------
    environment
        Names the file ``<environment>.toml``.
    overrides
        Values by dotted key, such as ``{"ecs.max_capacity": 8}``. Text, which is all that a command line can
        give, is read as TOML where the setting is not text itself.
    region
        Replaces the file's region; by default the variable AWS_REGION does.

    Raises
    ------
    SettingsError
        When there is no such environment, a key is unknown or a value impossible; names all that is wrong.
    """
    file = config_dir / f"{environment}.toml"
    document = _read(file, environment)
    origins: dict[str, str] = {}
    if region := region or os.environ.get("AWS_REGION"):
        document["region"] = region
        origins["region"] = "AWS_REGION"
    for key, value in _flat(overrides or {}):
        _set(document, key, _read_as(key, value))
        origins[key] = "-c"
    document.setdefault("environment", environment)
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        raise SettingsError(explain(file, error, origins)) from error


def is_settings_key(key: str) -> bool:
    """Tell whether a CDK context key is meant for the settings and not for the CDK itself.

    Whatever is not the CDK's own counts, so that a misspelt setting is refused rather than ignored.
    """
    return key not in _CDK_KEYS and not _CDK_CHARACTERS.intersection(key)


def _read(file: Path, environment: str) -> dict[str, Any]:
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in file.parent.glob("*.toml")))
        raise SettingsError(f"environment {environment!r} has no file {shown(file)}; there are: {known}")
    try:
        return tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{shown(file)} is not TOML: {error}") from error


def _flat(overrides: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the overrides by dotted key; context in a file may also nest them."""
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _set(document: dict[str, Any], key: str, value: object) -> None:
    *sections, name = key.split(".")
    table = document
    for section in sections:
        inner = table.setdefault(section, {})
        if not isinstance(inner, dict):
            raise SettingsError(f"{key} (from -c): {section} is a value and holds no other")
        table = inner
    table[name] = value


def _read_as(key: str, value: object) -> object:
    """Return text from a command line as what its setting is: 8, true, ["a", "b"], or the text itself."""
    if not isinstance(value, str) or _is_text(key):
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _is_text(key: str) -> bool:
    model: type[BaseModel] = Settings
    for name in key.split("."):
        field = model.model_fields.get(name)
        if field is None:
            return False
        annotation = field.annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            # A table of the user's own keys holds text.
            return annotation is str or str in get_args(annotation)
        model = annotation
    return False
