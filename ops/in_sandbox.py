"""Environments in the sandbox, whose account is 000000000000: what of their settings cannot be theirs."""

from collections.abc import Iterator, Mapping
from typing import Any

from stacks.settings import Settings


def overrides(settings: Settings, *, sandbox: Settings) -> dict[str, str]:
    """Return the settings that cannot be an environment's own in the sandbox.

    Parameters
    ----------
    settings
        Those of the environment.
    sandbox
        Those of the sandbox itself.
    """
    replaced = {
        key: value.replace(settings.account, sandbox.account)
        for key, value in _flat(settings.model_dump())
        if isinstance(value, str) and settings.account in value
    }
    # There is no container engine: the sandbox's image stands for the folder service/.
    return replaced | {"container_image": str(sandbox.container_image)}


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
