"""Prices the resources of an assembly under several loads."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ops.assembly import Assembly, Resource
from ops.cost.charges import CHARGES
from ops.cost.prices import PriceTable
from ops.cost.usage import Context, Unknown, Usage
from ops.cost.workload import IDLE, Workload


@dataclass(frozen=True)
class Line:
    """What a resource costs in a month for one thing; one cost for each load, idle first."""

    layer: str
    resource: str
    type: str
    what: str
    price: str
    costs: tuple[Decimal, ...]


@dataclass(frozen=True)
class NotPriced:
    """Something that may cost money and is in no sum."""

    layer: str
    resource: str
    type: str
    why: str


@dataclass(frozen=True)
class Estimate:
    """What an environment costs in a month."""

    environment: str
    loads: tuple[Workload, ...]
    lines: tuple[Line, ...]
    not_priced: tuple[NotPriced, ...]
    free: dict[str, int]
    other_regions: tuple[str, ...]

    @property
    def layers(self) -> dict[str, tuple[Decimal, ...]]:
        """Costs by layer, in the order of deployment."""
        return self._sums("layer")

    @property
    def resources(self) -> dict[tuple[str, str, str], tuple[Decimal, ...]]:
        """Costs by layer, resource and type."""
        found: dict[tuple[str, str, str], tuple[Decimal, ...]] = {}
        for line in self.lines:
            key = (line.layer, line.resource, line.type)
            found[key] = _added(found.get(key), line.costs)
        return found

    @property
    def types(self) -> dict[str, tuple[Decimal, ...]]:
        """Costs by resource type."""
        return self._sums("type")

    @property
    def total(self) -> tuple[Decimal, ...]:
        """Costs of the whole environment."""
        total = (Decimal(0),) * len(self.loads)
        for line in self.lines:
            total = _added(total, line.costs)
        return total

    def _sums(self, by: str) -> dict[str, tuple[Decimal, ...]]:
        found: dict[str, tuple[Decimal, ...]] = {}
        for line in self.lines:
            key: str = getattr(line, by)
            found[key] = _added(found.get(key), line.costs)
        return found


def _added(one: tuple[Decimal, ...] | None, other: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
    return other if one is None else tuple(a + b for a, b in zip(one, other, strict=True))


def estimate(assembly: Assembly, *, loads: Sequence[Workload], table: PriceTable) -> Estimate:
    """Price every resource of an assembly, idle and under each load."""
    workloads = (IDLE, *loads)
    lines: list[Line] = []
    not_priced: list[NotPriced] = []
    free: dict[str, int] = {}
    layers = {stack.id: stack.layer for stack in assembly.stacks}
    for resource in assembly.resources:
        layer = layers[resource.stack]
        if resource.type in CHARGES:
            priced, unknown = _priced(resource, assembly, workloads, table)
            lines += [Line(layer, resource.construct, resource.type, *entry) for entry in priced]
            not_priced += [NotPriced(layer, resource.construct, resource.type, why) for why in unknown]
            if not priced and not unknown:
                free[resource.type] = free.get(resource.type, 0) + 1
        elif table.why_free(resource.type):
            free[resource.type] = free.get(resource.type, 0) + 1
        else:
            why = table.unknown.get(resource.type, "this type is in no table of Gantry's")
            not_priced.append(NotPriced(layer, resource.construct, resource.type, why))
    regions = dict.fromkeys(stack.region for stack in assembly.stacks if stack.region != table.region)
    return Estimate(
        assembly.environment,
        workloads,
        tuple(lines),
        tuple(not_priced),
        dict(sorted(free.items())),
        tuple(regions),
    )


def _priced(
    resource: Resource, assembly: Assembly, loads: Sequence[Workload], table: PriceTable
) -> tuple[list[tuple[str, str, tuple[Decimal, ...]]], list[str]]:
    """Return what a resource is charged for under each load, and what of it has no price."""
    charge = CHARGES[resource.type]
    usages = [list(charge(resource, Context(assembly, load))) for load in loads]
    unknown = [f"{each.what}: {each.why}" for each in usages[0] if isinstance(each, Unknown)]
    # The wording may contain the amount, which differs between loads; its place among the others does not.
    rows = list(zip(*([each for each in one if isinstance(each, Usage)] for one in usages), strict=True))
    return [_row(row, table) for row in rows], unknown


def _row(row: tuple[Usage, ...], table: PriceTable) -> tuple[str, str, tuple[Decimal, ...]]:
    price = row[0].price
    what = dict.fromkeys(each.what for each in row)
    return " → ".join(what), price, tuple(table.prices[price].cost(each.quantity) for each in row)
