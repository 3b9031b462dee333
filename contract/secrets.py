"""The secrets that rotate: what every side knows of each.

Another one takes a member here, a strategy of its name in ``lambdas/rotation/wiring.py``, and its docs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Self

from contract.database import LOGIN_ROLES


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a rotating secret.

    Attributes
    ----------
    layer
        Whose stack makes it.
    description
        What it is, after the environment's name.
    variable
        Of the container, which gets the whole secret in it.
    schedule, schedule_description
        Default and description of the setting ``rotation.<name>_schedule``.
    module
        Of its strategy in ``lambdas/rotation``.
    functions
        What its function may reach: a security group of the network's.
    generated_field, length
        JSON field of the first version that is generated, and of how many letters and digits.
    fields
        Fixed fields next to it.
    """

    layer: Literal["data", "compute"]
    description: str
    variable: str
    schedule: str
    schedule_description: str
    module: str
    functions: Literal["functions", "cache_functions", "database_functions"] = "functions"
    generated_field: str = "password"
    length: int = 48
    fields: Mapping[str, str] = field(default_factory=dict)


class RotatingSecret(StrEnum):
    """The rotating secrets by their names, which operators use, too."""

    facts: Facts

    def __new__(cls, name: str, facts: Facts) -> Self:
        """Make a member that is its name and has its facts."""
        member = str.__new__(cls, name)
        member._value_, member.facts = name, facts
        return member

    DATABASE = (
        "database",
        Facts(
            layer="data",
            description="database",
            variable="DATABASE_SECRET",
            schedule="cron(0 3 1 * ? *)",
            schedule_description="Of the password.",
            module="database",
            functions="database_functions",
            fields={"username": LOGIN_ROLES[0]},
        ),
    )
    VALKEY = (
        "valkey",
        Facts(
            layer="data",
            description="valkey",
            variable="VALKEY_SECRET",
            schedule="cron(0 3 11 * ? *)",
            schedule_description="Of the cache password.",
            module="cache",
            functions="cache_functions",
            fields={"username": "app"},  # the first of two users that take turns
        ),
    )
    SIGNING_KEY = (
        "signing-key",
        Facts(
            layer="compute",
            description="key ring that signs the service's cookies",
            variable="SECRET_KEY_BASE",
            schedule="cron(0 3 21 1,4,7,10 ? *)",
            schedule_description="Of SECRET_KEY_BASE.",
            module="signing_key",
            generated_field="current",
            length=64,
        ),
    )

    @property
    def word(self) -> str:
        """The name as construct ids and outputs have it: ``SigningKey``."""
        return self.value.title().replace("-", "")

    @property
    def is_key_ring(self) -> bool:
        """Whether it signs, so that its previous key is honoured as long as what it signed."""
        return self.facts.module == "signing_key"

    @property
    def output(self) -> str:
        """The output of its layer's stack that has its ARN."""
        return f"{self.word}SecretArn"
