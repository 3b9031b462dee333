"""The price table: exact, and consistent with itself."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.cost import prices
from ops.cost.charges import CHARGES
from ops.cost.prices import Price, PriceTable, Tier

TIERED = Price(
    unit="GB",
    page="p",
    source="s",
    tiers=(Tier(amount=Decimal("0.09"), up_to=Decimal(100)), Tier(amount=Decimal("0.05"))),
)


def test_amounts_are_the_decimals_that_are_written() -> None:
    assert prices.load().prices["nat-gateway-hour"].cost(Decimal(730)) == Decimal("32.850")
    assert prices.load().prices["lambda-arm-gb-second"].cost(Decimal(3)) == Decimal("0.0000400002")


@pytest.mark.parametrize(("quantity", "cost"), [(0, "0"), (100, "9"), (101, "9.05"), (300, "19")])
def test_each_band_has_its_own_amount(quantity: int, cost: str) -> None:
    assert TIERED.cost(Decimal(quantity)) == Decimal(cost)


@given(st.decimals(0, 10**6, places=3), st.decimals(0, 10**6, places=3))
def test_more_never_costs_less_and_never_more_than_the_first_band(one: Decimal, more: Decimal) -> None:
    for price in prices.load().prices.values():
        dearest = price.amount if price.amount is not None else max(tier.amount for tier in price.tiers)
        assert price.cost(one) <= price.cost(one + more) <= price.cost(one) + dearest * more


def test_transfer_to_the_internet_gets_cheaper_in_four_bands() -> None:
    price = prices.load().prices["transfer-to-internet"]
    expected = Decimal("921.6") + Decimal("3481.6") + Decimal(7168) + Decimal("0.05")
    assert price.cost(Decimal(153_601)) == expected


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"amount": Decimal(1), "tiers": [{"amount": Decimal(1)}]},
        {"tiers": [{"amount": Decimal(1), "up_to": 10}]},
        {"tiers": [{"amount": Decimal(1)}, {"amount": Decimal(1)}]},
        {
            "tiers": [
                {"amount": Decimal(1), "up_to": 20},
                {"amount": Decimal(1), "up_to": 10},
                {"amount": Decimal(1)},
            ]
        },
    ],
    ids=["neither", "both", "no last band", "two last bands", "bands that fall"],
)
def test_price_has_an_amount_or_rising_bands(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"either an amount or tiers|tiers rise"):
        Price.model_validate({"unit": "GB", "page": "p", "source": "s"} | body)


def test_source_must_be_described() -> None:
    table = prices.load().model_dump()
    table["sources"].pop("guides")
    with pytest.raises(ValidationError, match=r"source = 'guides' is not in sources"):
        PriceTable.model_validate(table)


def test_no_type_is_both_charged_and_free() -> None:
    table = prices.load()
    assert not CHARGES.keys() & (table.free.keys() | table.unknown.keys())
    assert not table.free.keys() & table.unknown.keys()


def test_custom_resources_are_free_but_no_unknown_type_is() -> None:
    table = prices.load()
    assert table.why_free("Custom::DatabaseRoles")
    assert table.why_free("AWS::Quantum::Computer") is None
