"""What a resource uses in a month, before it is priced."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from ops.assembly import Assembly, Resource, Value
from ops.cost.workload import Assumptions, Workload


@dataclass(frozen=True)
class Usage:
    """So much of something that has a price."""

    what: str
    price: str
    quantity: Decimal


@dataclass(frozen=True)
class Unknown:
    """Something that costs money and has no price here, or an amount that no template contains."""

    what: str
    why: str


@dataclass(frozen=True)
class Context:
    """What a resource's usage depends on besides its own properties."""

    assembly: Assembly
    workload: Workload

    @property
    def assumptions(self) -> Assumptions:
        """What is assumed of the load and of the data."""
        return self.workload.assumptions

    def referents(self, resource: Resource, kind: str) -> list[Resource]:
        """Return the resources of a type that a resource refers to."""
        return [each for each in self.assembly.referents(resource) if each.type == kind]

    def referrers(self, resource: Resource, kind: str) -> list[Resource]:
        """Return the resources of a type that refer to a resource."""
        return [each for each in self.assembly.referrers(resource) if each.type == kind]

    def of_type(self, kind: str) -> list[Resource]:
        """Return every resource of a type."""
        return [each for each in self.assembly.resources if each.type == kind]


Charge = Callable[[Resource, Context], Iterator[Usage | Unknown]]


def number(value: Value, default: str = "0") -> Decimal:
    """Return a number of a template as it is written there; another expression gives the default."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return Decimal(default)
    try:
        return Decimal(str(value))
    except ArithmeticError:
        return Decimal(default)


def within(needed: Decimal, low: Decimal, high: Decimal) -> Decimal:
    """Return what scaling between two bounds gives of what is needed."""
    return min(max(low, needed), high)
