"""The price table that ships with Gantry, read and checked."""

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

PRICES_FILE = Path(__file__).with_name("prices.toml")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Model):
    """Where a number was read, and what time it speaks of."""

    description: str
    as_of: str


class Tier(_Model):
    """A band of a price: what a unit costs up to a quantity in a month; the last band has no end."""

    amount: Decimal = Field(ge=0)
    up_to: Decimal | None = Field(None, gt=0)


class Price(_Model):
    """What a unit costs, in the table's currency."""

    unit: str
    page: str
    source: str
    amount: Decimal | None = Field(None, gt=0)
    tiers: tuple[Tier, ...] = ()

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        if (self.amount is None) == (not self.tiers):
            raise ValueError("a price has either an amount or tiers")
        *ends, last = [tier.up_to for tier in self.tiers] or [None]
        if last is not None or any(end is None for end in ends) or ends != sorted(filter(None, ends)):
            raise ValueError("tiers rise, and only the last one has no end")
        return self

    def cost(self, quantity: Decimal) -> Decimal:
        """Return the exact cost of a quantity in a month."""
        if self.amount is not None:
            return self.amount * quantity
        cost, below = Decimal(0), Decimal(0)
        for tier in self.tiers:
            end = quantity if tier.up_to is None else min(quantity, tier.up_to)
            cost += tier.amount * max(Decimal(0), end - below)
            below = end
        return cost


class PriceTable(_Model):
    """Prices of one region, and the types that have no charge or no known one."""

    region: str
    currency: str
    collected: date
    sources: dict[str, Source]
    prices: dict[str, Price]
    free: dict[str, str]
    unknown: dict[str, str]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for name, price in self.prices.items():
            if price.source not in self.sources:
                raise ValueError(f"prices.{name}.source = {price.source!r} is not in sources")
        both = self.free.keys() & self.unknown.keys()
        if both:
            raise ValueError(f"free and unknown both name {', '.join(sorted(both))}")
        return self

    def why_free(self, kind: str) -> str | None:
        """Return why a resource type has no charge of its own, or nothing where it may have one."""
        service = kind.split("::", 1)[0]
        return self.free.get(kind) or self.free.get(f"{service}::*")


def load(file: Path = PRICES_FILE) -> PriceTable:
    """Read the price table; amounts stay the decimals that are written there.

    Raises
    ------
    pydantic.ValidationError
        When the file is not a price table.
    """
    return PriceTable.model_validate(tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal))
