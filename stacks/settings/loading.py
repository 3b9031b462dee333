"""Reads settings: an environment's file, and what a command line or variable puts in their place."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from stacks.settings.environment import Settings
from stacks.settings.model import SettingsModel
from stacks.settings.pipeline import PipelineSettings
from stacks.settings.problems import SettingsError, explain, shown

CONFIG_DIR = Path(__file__).resolve().parents[2] / "config"
# Context of app.py and ops, and what the CDK CLI itself keeps; its other keys carry one of these characters.
_CDK_KEYS = frozenset({"acknowledged-issue-numbers", "cli-telemetry", "environment", "lose", "placeholders"})
_CDK_CHARACTERS = frozenset("@:/")
# What a pipeline's file must have and an environment's cannot.
_STAGES = "stages"

_Model = TypeVar("_Model", bound=SettingsModel)


def load_settings(
    environment: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    region: str | None = None,
    environ: Mapping[str, str] = os.environ,
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
    environ
        The variables; a pipeline gives none, so that its stages are what their files say.

    Raises
    ------
    SettingsError
        When there is no such environment, a key is unknown or a value impossible; names all that is wrong.
    """
    file = config_dir / f"{environment}.toml"
    document = _read(file)
    if _STAGES in document:
        stages = load_pipeline(environment, config_dir=config_dir).stages
        raise SettingsError(
            f"{environment} is a pipeline, not a platform: choose one of its stages, {', '.join(stages)}"
        )
    origins: dict[str, str] = {}
    if region := region or environ.get("AWS_REGION"):
        document["region"] = region
        origins["region"] = "AWS_REGION"
    return _validated(Settings, file, document, origins, overrides)


def load_pipeline(
    environment: str, *, overrides: Mapping[str, Any] | None = None, config_dir: Path = CONFIG_DIR
) -> PipelineSettings:
    """Read and validate the settings of a pipeline, which no variable changes: CodeBuild sets AWS_REGION.

    Parameters
    ----------
    environment
        Names the file ``<environment>.toml``.
    overrides
        Values by key.

    Raises
    ------
    SettingsError
        When there is no such file, a key is unknown or a value impossible; names all that is wrong.
    """
    file = config_dir / f"{environment}.toml"
    document = _read(file)
    return _validated(PipelineSettings, file, document, {}, overrides)


def is_pipeline(environment: str, *, config_dir: Path = CONFIG_DIR) -> bool:
    """Return whether an environment is a pipeline rather than a platform.

    Raises
    ------
    SettingsError
        When there is no such environment.
    """
    return _STAGES in _read(config_dir / f"{environment}.toml")


def platforms(config_dir: Path = CONFIG_DIR) -> list[str]:
    """Return the names of the environments that are platforms."""
    names = sorted(path.stem for path in config_dir.glob("*.toml"))
    return [name for name in names if not is_pipeline(name, config_dir=config_dir)]


def is_settings_key(key: str) -> bool:
    """Return whether a CDK context key is meant for the settings and not for the CDK itself.

    Whatever is not the CDK's own counts, so that a misspelt setting is refused rather than ignored.
    """
    return key not in _CDK_KEYS and not _CDK_CHARACTERS.intersection(key)


def _validated(
    model: type[_Model],
    file: Path,
    document: dict[str, Any],
    origins: dict[str, str],
    overrides: Mapping[str, Any] | None,
) -> _Model:
    for key, value in _flat(overrides or {}):
        _set(document, key, _read_as(model, key, value))
        origins[key] = "-c"
    document.setdefault("environment", file.stem)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise SettingsError(explain(model, file, error, origins)) from error


def _read(file: Path) -> dict[str, Any]:
    if "\0" in file.name or not file.exists():
        known = ", ".join(sorted(path.stem for path in file.parent.glob("*.toml")))
        raise SettingsError(f"environment {file.stem!r} has no file {shown(file)}; there are: {known}")
    try:
        # Editors of Windows begin a file with a byte order mark.
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{shown(file)} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{shown(file)} is not UTF-8: byte {error.object[error.start]:#04x} at position {error.start}; "
            "save it as UTF-8"
        ) from error
    except (ValueError, RecursionError) as error:
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


def _read_as(model: type[BaseModel], key: str, value: object) -> object:
    """Return text from a command line as what its setting is: 8, true, ["a", "b"], or the text itself."""
    if not isinstance(value, str) or _is_text(model, key):
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return value


def _is_text(model: type[BaseModel], key: str) -> bool:
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
