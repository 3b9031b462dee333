"""How an assessment is shown on a terminal and to a program."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops.console import err, out
from ops.security.assessment import Assessment, Outcome, Status, reasons
from ops.security.catalogue import PACKS, TITLES
from ops.security.findings import Finding

# What a reader must know of the packs themselves.
NOTES = (
    "cdk-nag looks at the resources in the templates. How an account is run is not in them.",
    "The PCI DSS pack is of version 3.2.1; PCI DSS 4.0 has replaced it, and cdk-nag has no pack for that.",
)
_Part = tuple[str, Sequence[Finding]]
_Alike = dict[tuple[str, str, tuple[str, ...]], list[Outcome]]
_COLOURS = {
    Status.FAILED: "red",
    Status.EXEMPT: "yellow",
    Status.ACKNOWLEDGED: "yellow",
    Status.PASSED: "green",
    Status.NOT_APPLICABLE: "dim",
}


def print_tables(found: Assessment) -> None:
    """Print the sums of each pack, then every finding."""
    out.print(_summary(found))
    for alike in _alike(found, lambda outcome: [("", outcome.failed)]).values():
        _print_failed(alike)
    for (_, reason, names), alike in _alike(found, reasons).items():
        _print_accepted(alike, names, reason)
    for each in found.stale:
        out.print(
            Text(f"Stale: {each.id} on {each.construct} is acknowledged, but no longer found.", "yellow")
        )
    for note in NOTES:
        err.print(Text(note, "dim"))


def _summary(found: Assessment) -> Table:
    table = Table(title=f"{found.environment}: rules of cdk-nag", title_justify="left", title_style="bold")
    table.add_column("Pack")
    for status in Status:
        table.add_column(status.capitalize(), justify="right")
    for pack in PACKS:
        counts = found.counts(pack)
        table.add_row(
            TITLES[pack],
            *(Text(str(counts[status]), _COLOURS[status] if counts[status] else "dim") for status in Status),
        )
    return table


def _alike(found: Assessment, parts: Callable[[Outcome], Iterable[_Part]]) -> _Alike:
    """Put together what several packs find of the same resources by the same rule, for the same reason."""
    alike: _Alike = {}
    for pack in PACKS:
        for outcome in found.of_pack(pack):
            for reason, findings in parts(outcome):
                if findings:
                    key = (outcome.rule.id.removeprefix(pack), reason, _names(outcome, findings))
                    alike.setdefault(key, []).append(outcome)
    return alike


def _print_failed(alike: list[Outcome]) -> None:
    rule = alike[0].rule
    out.print(Text("✗ ", "red").append(_label(alike), "bold").append(f"  {rule.title}", "not bold"))
    if len(alike) > 1:
        out.print(Text(f"    in {_packs(alike)}", "red"))
    for resource in _names(alike[0], alike[0].failed):
        out.print(Text(f"    {resource}", "dim"), soft_wrap=True)


def _label(alike: list[Outcome]) -> str:
    rule = alike[0].rule
    return rule.id if len(alike) == 1 else rule.id.removeprefix(f"{rule.pack}-")


def _packs(alike: list[Outcome]) -> str:
    return ", ".join(TITLES[each.rule.pack] for each in alike)


def _names(outcome: Outcome, findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the resources that do not meet a rule, each with what of it is found."""
    names = (f"{each.resource} {each.id.removeprefix(outcome.rule.id)}".rstrip() for each in findings)
    return tuple(dict.fromkeys(names))


def _print_accepted(alike: list[Outcome], names: Sequence[str], reason: str) -> None:
    exempt = alike[0].status is Status.EXEMPT
    out.print(Text("○ ", "yellow").append(_label(alike), "bold").append(f"  {alike[0].status}", "not bold"))
    out.print(Text(f"    in {_packs(alike)}", "yellow"))
    # An exemption is for all resources, whichever there happen to be.
    for resource in [f"{len(names)} resources"] if exempt else names:
        out.print(Text(f"    {resource}", "dim"), soft_wrap=True)
    out.print(Padding(reason, (0, 0, 0, 4)))


def print_json(found: Assessment) -> None:
    """Print the assessment for a program."""
    document = {
        "environment": found.environment,
        "packs": {pack: _pack(found, pack) for pack in PACKS},
        "stale": [asdict(each) for each in found.stale],
        "notes": list(NOTES),
    }
    out.print_json(json.dumps(document))


def _pack(found: Assessment, pack: str) -> dict[str, Any]:
    return {
        "title": TITLES[pack],
        "counts": found.counts(pack),
        "controls": found.controls(pack),
        "rules": [_rule(outcome) for outcome in found.of_pack(pack)],
    }


def _rule(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.rule.id,
        "title": outcome.rule.title,
        "level": outcome.rule.level,
        "controls": list(outcome.rule.controls),
        "status": outcome.status,
        "resources": outcome.resources,
        "failed": [{"id": each.id, "resource": each.resource} for each in outcome.failed],
        "acknowledged": [
            {"id": each.id, "resource": each.resource, "reason": each.reason, "exempt": each.exempt}
            for each in outcome.acknowledged
        ],
    }
