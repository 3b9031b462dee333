"""`./gantry cost`: what an environment costs in a month, from its templates and a dated price table."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ops.assembly import synthesised
from ops.cost import prices, report
from ops.cost.estimate import Estimate, estimate
from ops.cost.prices import PriceTable
from ops.cost.workload import Workload, assuming

DEFAULT_LOADS = (10.0, 100.0)


@dataclass(frozen=True)
class Request:
    """What to estimate."""

    environment: str
    compare: str | None
    requests_a_second: Sequence[float]
    overrides: Sequence[str]
    assumptions: Sequence[str]


def run(request: Request, *, as_json: bool) -> None:
    """Estimate an environment, and compare it with another one when asked, and print it.

    Overrides hold for the first environment alone: comparing one with itself shows what a setting costs.

    Raises
    ------
    CliError
        When an environment does not synthesise or an assumption is unknown.
    """
    table = prices.load()
    assumed = assuming(request.assumptions)
    loads = [Workload(Decimal(str(each)), assumed) for each in request.requests_a_second or DEFAULT_LOADS]
    found = _estimate(request.environment, loads, table, request.overrides)
    other = _estimate(request.compare, loads, table, ()) if request.compare else None
    if as_json:
        report.print_json(found, other, table)
    else:
        report.print_tables(found, other, table)


def _estimate(
    environment: str, loads: Sequence[Workload], table: PriceTable, overrides: Sequence[str]
) -> Estimate:
    with synthesised(environment, overrides=overrides) as assembly:
        return estimate(assembly, loads=loads, table=table)
