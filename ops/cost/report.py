"""How an estimate is shown: tables for a person, JSON for a program."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from rich.table import Table
from rich.text import Text

from ops.console import err, out
from ops.cost.estimate import Estimate, Line
from ops.cost.prices import PriceTable
from ops.cost.workload import LEFT_OUT

_SMALLEST = Decimal("0.01")
# Lines below this, idle and under every load, are summed up in the table; JSON has them all.
_WORTH_A_LINE = Decimal("0.50")


def money(amount: Decimal) -> str:
    """Return an amount in dollars and cents; what rounds to nothing is not shown as nothing."""
    if 0 < amount < _SMALLEST:
        return "< 0.01"
    return f"{amount:,.2f}"


def difference(one: Decimal, other: Decimal) -> str:
    """Return by how much one amount is above another."""
    return f"{one - other:+,.2f}"


def print_tables(found: Estimate, other: Estimate | None, table: PriceTable) -> None:
    """Print costs by layer and by resource, or the comparison; then all that the numbers rest on."""
    if other is None:
        out.print(_layers(found))
        out.print(_resources(found))
    else:
        out.print(_comparison("Layer", found.layers, other.layers, found, other))
        out.print(_comparison("Resource type", found.types, other.types, found, other))
    _print_not_priced([found] if other is None else [found, other])
    _print_basis(found, table)


def _loads(estimate: Estimate) -> list[str]:
    rates = [load.requests_a_second for load in estimate.loads[1:]]
    return ["idle", *(f"{rate.normalize():,f} req/s" for rate in rates)]


def _table(title: str, first: Sequence[str], amounts: Sequence[str], *, lines: bool = False) -> Table:
    """Return an empty table; in a narrow terminal texts go on in another line, and amounts stay whole."""
    table = Table(title=title, title_justify="left", title_style="bold", show_lines=lines)
    for name in first:
        table.add_column(name, overflow="fold")
    for name in amounts:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _layers(found: Estimate) -> Table:
    table = _table(f"{found.environment}: US dollars a month", ["Layer"], _loads(found))
    for layer, costs in found.layers.items():
        table.add_row(layer, *map(money, costs))
    table.add_section()
    table.add_row("total", *map(money, found.total), style="bold")
    return table


def _resources(found: Estimate) -> Table:
    table = _table("By resource", ["Layer", "Resource"], _loads(found))
    rest = [Decimal(0)] * len(found.loads)
    for alike in sorted(_alike(found.lines), key=lambda lines: -sum(line.costs[-1] for line in lines)):
        costs = [sum(each, start=Decimal(0)) for each in zip(*(line.costs for line in alike), strict=True)]
        if max(costs) < _WORTH_A_LINE:
            rest = [one + other for one, other in zip(rest, costs, strict=True)]
        else:
            first = alike[0]
            name = first.resource if len(alike) == 1 else f"{len(alike)} × {first.type.rsplit('::', 1)[-1]}"
            table.add_row(first.layer, f"{name}: {first.what}", *map(money, costs))
    if any(rest):
        table.add_section()
        table.add_row("", "all that is smaller", *map(money, rest))
    return table


def _alike(lines: Iterable[Line]) -> Iterable[list[Line]]:
    """Return lines that differ only in the name of their resource together: three NAT gateways, four keys."""
    found: dict[object, list[Line]] = {}
    for line in lines:
        found.setdefault((line.layer, line.type, line.what, line.costs), []).append(line)
    return found.values()


def _comparison(
    name: str,
    mine: Mapping[str, tuple[Decimal, ...]],
    theirs: Mapping[str, tuple[Decimal, ...]],
    found: Estimate,
    other: Estimate,
) -> Table:
    label = "with overrides" if found.environment == other.environment else found.environment
    title = f"By {name.lower()}: US dollars a month"
    table = _table(title, [name, "Load"], [label, other.environment, "±"], lines=True)
    loads, none = _loads(found), (Decimal(0),) * len(found.loads)
    for key in dict.fromkeys([*mine, *theirs]):
        table.add_row(key, *_compared(loads, mine.get(key, none), theirs.get(key, none)))
    table.add_row("total", *_compared(loads, found.total, other.total), style="bold")
    return table


def _compared(loads: Iterable[str], mine: Sequence[Decimal], theirs: Sequence[Decimal]) -> list[str]:
    """Return the cells of a row, with a line in each of them for each load."""
    differences = map(difference, mine, theirs)
    return ["\n".join(each) for each in (loads, map(money, mine), map(money, theirs), differences)]


def _print_not_priced(estimates: Sequence[Estimate]) -> None:
    entries = [(each.environment, entry) for each in estimates for entry in each.not_priced]
    if not entries:
        out.print("Everything in these templates is priced or free.")
        return
    table = _table("Not priced, and in no sum above", ["Environment", "Resource", "Type", "Why"], [])
    for environment, entry in entries:
        table.add_row(environment, entry.resource, entry.type, entry.why)
    out.print(table)


def _print_basis(found: Estimate, table: PriceTable) -> None:
    err.print(
        Text(f"\nOn-demand list prices of {table.region}, collected on {table.collected:%Y-%m-%d}.", "bold")
    )
    for region in found.other_regions:
        err.print(Text(f"{region} has no price table: its stacks are priced as {table.region}.", "yellow"))
    for sentence in LEFT_OUT:
        err.print(f"  {sentence}")
    free = ", ".join(f"{kind} ({count})" for kind, count in found.free.items())
    err.print(Text(f"No charge of their own: {free or 'nothing'}.", "dim"))
    err.print(Text("Assumed (replace one with --assume name=number):", "bold"))
    for name, value, meaning in found.loads[-1].assumptions.described():
        err.print(Text(f"  {name} = {_plain(value)}", "cyan").append(f"  {meaning}", "dim"))


def print_json(found: Estimate, other: Estimate | None, table: PriceTable) -> None:
    """Print the estimate and all that it rests on; amounts are strings, exact to the last digit."""
    document: dict[str, Any] = {
        "currency": table.currency,
        "region": table.region,
        "collected": table.collected.isoformat(),
        "estimate": _document(found, table),
    }
    if other is not None:
        document["compare"] = _document(other, table)
        document["difference"] = _by_load(
            found, [a - b for a, b in zip(found.total, other.total, strict=True)]
        )
    document["assumptions"] = {
        name: {"value": _plain(value), "meaning": meaning}
        for name, value, meaning in found.loads[-1].assumptions.described()
    }
    document["left_out"] = list(LEFT_OUT)
    out.print_json(json.dumps(document))


def _document(found: Estimate, table: PriceTable) -> dict[str, Any]:
    return {
        "environment": found.environment,
        "total": _by_load(found, found.total),
        "layers": {layer: _by_load(found, costs) for layer, costs in found.layers.items()},
        "lines": [_line(found, line, table) for line in found.lines],
        "not_priced": [asdict(entry) for entry in found.not_priced],
        "free": found.free,
        "other_regions": list(found.other_regions),
    }


def _line(found: Estimate, line: Line, table: PriceTable) -> dict[str, Any]:
    price = table.prices[line.price]
    basis = {"unit": price.unit, "page": price.page, "source": table.sources[price.source].model_dump()}
    return asdict(line) | basis | {"costs": _by_load(found, line.costs)}


def _by_load(found: Estimate, costs: Sequence[Decimal]) -> dict[str, str]:
    names = ["idle", *(f"{_plain(load.requests_a_second)}/s" for load in found.loads[1:])]
    return {name: _plain(cost) for name, cost in zip(names, costs, strict=True)}


def _plain(amount: Decimal) -> str:
    """Return a number without an exponent and without trailing zeros."""
    return f"{amount.normalize():f}"
