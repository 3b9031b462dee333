"""How an assessment is shown on a terminal and to a program."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from ops.console import err, out
from ops.security.assessment import Assessment, Outcome, Status, reasons
from ops.security.catalogue import PACKS, TITLES

# What a reader must know of the packs themselves.
NOTES = (
    "cdk-nag looks at the resources in the templates. How an account is run is not in them.",
    "The PCI DSS pack is of version 3.2.1; PCI DSS 4.0 has replaced it, and cdk-nag has no pack for that.",
)
_COLOURS = {
    Status.FAILED: "red",
    Status.ACKNOWLEDGED: "yellow",
    Status.PASSED: "green",
    Status.NOT_APPLICABLE: "dim",
}


def print_tables(found: Assessment) -> None:
    """Print the sums of each pack, then every finding."""
    out.print(_summary(found))
    for alike in _failed_alike(found):
        _print_failed(alike)
    acknowledged = [each for pack in PACKS for each in found.of_pack(pack) if each.acknowledged]
    if acknowledged:
        out.print(_acknowledged(acknowledged))
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


def _failed_alike(found: Assessment) -> Iterable[list[Outcome]]:
    """Return what failed, rules that several packs share and that the same resources do not meet together."""
    alike: dict[object, list[Outcome]] = {}
    for pack in PACKS:
        for outcome in found.of_pack(pack):
            if outcome.failed:
                shared = outcome.rule.id.removeprefix(pack)
                alike.setdefault((shared, frozenset(_names(outcome))), []).append(outcome)
    return alike.values()


def _print_failed(alike: list[Outcome]) -> None:
    rule = alike[0].rule
    name = rule.id if len(alike) == 1 else rule.id.removeprefix(f"{rule.pack}-")
    out.print(Text("✗ ", "red").append(name, "bold").append(f"  {rule.title}", "not bold"))
    if len(alike) > 1:
        out.print(Text(f"    in {', '.join(TITLES[each.rule.pack] for each in alike)}", "red"))
    for resource in _names(alike[0]):
        out.print(Text(f"    {resource}", "dim"))


def _names(outcome: Outcome) -> list[str]:
    """Return the resources that do not meet a rule, each with what of it is found."""
    return [f"{each.resource} {each.id.removeprefix(outcome.rule.id)}".rstrip() for each in outcome.failed]


def _acknowledged(outcomes: list[Outcome]) -> Table:
    table = Table(
        "Rule", "Resource", "Reason", title="Acknowledged", title_justify="left", title_style="bold"
    )
    for outcome in outcomes:
        for reason, findings in reasons(outcome):
            names = dict.fromkeys(
                f"{each.resource} {each.id.removeprefix(outcome.rule.id)}" for each in findings
            )
            table.add_row(outcome.rule.id, "\n".join(name.rstrip() for name in names), reason)
    return table


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
            {"id": each.id, "resource": each.resource, "reason": each.reason} for each in outcome.acknowledged
        ],
    }
