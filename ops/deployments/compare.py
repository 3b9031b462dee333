"""`./gantry compare`: what differs between two deployments, or a deployment and what the code makes now."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.text import Text

from ops.assembly import synthesised
from ops.aws import connect
from ops.console import CliError, err, out
from ops.deployments import changes
from ops.deployments.connection import Record
from ops.deployments.ledger import Entry, find
from ops.replacements import Template

_VALUE_LENGTH = 60


def run(environment: str, first: str, second: str | None, *, as_json: bool) -> None:
    """Print what differs between the templates of two entries; without a second one, from the code's."""
    record = Record(connect(environment))
    entries = record.ledger.entries() if record.exists else []
    before = templates_of(record, chosen(entries, first))
    if second is not None:
        after = templates_of(record, chosen(entries, second))
    else:
        with synthesised(environment) as assembly:
            after = changes.templates(assembly.directory)
    found = changes.changes(before, after)
    if as_json:
        out.print_json(json.dumps([asdict(each) for each in found]))
        return
    print_changes(found)
    if not found:
        err.print("No resource differs.")


def chosen(entries: Sequence[Entry], identity: str) -> Entry:
    """Return the entry that is meant.

    Raises
    ------
    CliError
        When there is none, or more than one.
    """
    entry = find(entries, identity)
    if entry is None:
        several = [each.id for each in entries if each.id.startswith(identity)]
        shown = ", ".join(several or [each.id for each in entries[:5]]) or "none yet"
        what = "is the beginning of several entries" if several else "is no entry of the ledger"
        raise CliError(f"{identity} {what}: {shown}.", remedy="`./gantry history` lists them.")
    return entry


def templates_of(record: Record, entry: Entry) -> dict[str, Template]:
    """Return the archived templates of an entry.

    Raises
    ------
    CliError
        When they are gone, or are not what was archived.
    """
    return changes.templates(record.archive.templates(entry.start.assembly))


def print_changes(found: Sequence[changes.Change]) -> None:
    """Print resources that differ, by stack, with the properties and their values."""
    stack = ""
    for change in found:
        if change.stack != stack:
            stack = change.stack
            out.print(Text(stack, style="bold"))
        sign = {"added": "+", "removed": "-", "changed": "~"}[change.action]
        out.print(Text(f"  {sign} {change.type} {change.logical_id}"), soft_wrap=True)
        for path, (old, new) in change.properties.items():
            out.print(Text(f"      {path}: {_value(old)} → {_value(new)}"), soft_wrap=True)


def _value(value: Any) -> str:  # noqa: ANN401 - JSON
    text = "(none)" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]} ({len(text)} characters)"
