"""What all settings models have in common: strict, frozen, and able to refuse a combination of values."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, model_validator

Singleton: TypeAlias = Literal["create", "existing", "off"]
"""What an account has one of, whatever the number of its environments.

``create``: this environment makes it. ``existing``: another environment, or the organisation, does, and this
one relies on it. ``off``: there is none to rely on.
"""


class SettingsModel(BaseModel):
    """A table of settings: unknown keys and wrong types are refused, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def _problems(self) -> Iterable["Problem"]:
        """Return what is impossible about the combination of values; nothing, unless a model says so."""
        return ()

    @model_validator(mode="after")
    def _refuse(self) -> Self:
        if found := tuple(self._problems()):
            raise ImpossibleError(found)
        return self


@dataclass(frozen=True)
class Lasting:
    """Marks a setting that cannot be changed at will once its environment is deployed.

    Its change would replace what holds data, has a name or an address, or is in use.

    Attributes
    ----------
    how
        How far it lasts, for the reference: a sentence.
    """

    how: str


FIXED = Lasting("Fixed after the first deployment.")


@dataclass(frozen=True)
class Problem:
    """A value that is possible by itself but not together with the others.

    Attributes
    ----------
    key
        The setting, relative to the model that refuses it.
    value
        Its value.
    allowed
        What it must be instead.
    """

    key: str
    value: object
    allowed: str


class ImpossibleError(ValueError):
    """Settings contradict each other; carries every contradiction, so that one message names all."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.key} {problem.allowed}" for problem in self.problems))
