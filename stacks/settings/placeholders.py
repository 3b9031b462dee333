"""Placeholders: values that the shipped files, or documentation, hold instead of what only their user knows.

With one of them a deployment fails late, or asks what is another's. app.py refuses them, but for
`-c placeholders=shown`, which is for looking alone.
"""

import json
import re
from collections.abc import Iterator

from stacks.settings.environment import Settings
from stacks.settings.model import Problem, SettingsModel
from stacks.settings.pipeline import PipelineSettings
from stacks.settings.problems import SettingsError

# No account of AWS has it: what goes there goes to the sandbox, which has no certificates and no names.
SANDBOX_ACCOUNT = "0" * 12
_PLACEHOLDER = re.compile(
    # Accounts of documentation: 111111111111, 111122223333, 123456789012.
    r"(?<![\w-])(?!0{12})((\d)\2{3}(\d)\3{3}(\d)\4{3}|123456789012)(?![\w-])"
    # Ids of nothing.
    r"|0{8}-0{4}-0{4}-0{4}-0{12}|01234567-89ab-cdef-0123-456789abcdef|\bZ0123456789"
    # Names that RFC 2606 reserves for examples.
    r"|(^|[/@.])example\.(com|net|org)(?![\w.-])"
    r"|^(your|my)-team\b|…",
    re.ASCII,
)


def placeholders(settings: SettingsModel, prefix: str = "") -> Iterator[Problem]:
    """Yield the settings that are placeholders; the container's own variables mean nothing to AWS."""
    if getattr(settings, "account", None) == SANDBOX_ACCOUNT:
        return
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SettingsModel):
            yield from placeholders(value, f"{prefix}{name}.")
        elif any(_PLACEHOLDER.search(text) for text in _texts(value)):
            yield Problem(f"{prefix}{name}", value, f"put your own: {field.description}")


def refuse_placeholders(*environments: Settings | PipelineSettings) -> None:
    """Refuse environments that hold a placeholder.

    Raises
    ------
    SettingsError
        When there is one; names file, key and value of every one, and what to put.
    """
    lines = [
        f"  config/{settings.environment}.toml: {found.key} = "
        f"{json.dumps(found.value, ensure_ascii=False)}: {found.allowed}"
        for settings in environments
        for found in placeholders(settings)
    ]
    if lines:
        remedy = "To look at them without deploying (cdk ls, synth, diff): -c placeholders=shown"
        raise SettingsError("\n".join(["these settings are placeholders:", *lines, remedy]))


def _texts(value: object) -> Iterator[str]:
    for each in value if isinstance(value, tuple) else (value,):
        if isinstance(each, str):
            yield each
