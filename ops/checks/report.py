"""How a checklist is shown on a terminal, to a program and to a build server."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from xml.etree import ElementTree as ET

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops.checks.results import Checked, Outcome, Result, overall
from ops.console import out, printable

_STYLES = {
    Outcome.OK: "green",
    Outcome.FAILED: "bold red",
    Outcome.UNKNOWN: "yellow",
    Outcome.ABSENT: "yellow",
}
_NAME_WIDTH = 20
# JUnit has no word for what is not known: an error says that the test could not be made.
_JUNIT = {Outcome.FAILED: "failure", Outcome.UNKNOWN: "error"}


@dataclass(frozen=True)
class Report:
    """A checklist that was checked.

    Attributes
    ----------
    checklist, environment
        What was checked, of which environment.
    at
        When.
    lines
        What was found.
    """

    checklist: str
    environment: str
    at: datetime
    lines: Sequence[Checked]

    @property
    def results(self) -> list[Result]:
        """All that was found."""
        return [result for line in self.lines for result in line.results]

    @property
    def outcome(self) -> Outcome:
        """How everything is together."""
        return overall(self.results)

    def summary(self) -> str:
        """Return how many results came out how."""
        counts = {each: sum(result.outcome is each for result in self.results) for each in Outcome}
        return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)


def print_table(report: Report) -> None:
    """Print one line of the checklist after the other, each with its results."""
    for line in report.lines:
        if not line.results:
            continue
        out.print(Text(line.title, "bold"))
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(width=max(map(len, Outcome)))
        table.add_column(width=_NAME_WIDTH, overflow="fold")
        table.add_column(ratio=1, overflow="fold")
        for result in line.results:
            said = Text(printable(result.evidence))
            if result.remedy:
                said.append(f"\n→ {printable(result.remedy)}", "dim")
            table.add_row(Text(result.outcome, _STYLES[result.outcome]), Text(result.name), said)
        out.print(Padding(table, (0, 0, 0, 2)))


def print_json(report: Report) -> None:
    """Print the report for a program; docs/operations.md describes its form."""
    document = {
        "checklist": report.checklist,
        "environment": report.environment,
        "at": report.at.isoformat(timespec="seconds"),
        "outcome": report.outcome,
        "lines": [asdict(line) for line in report.lines],
    }
    out.print_json(json.dumps(document))


def junit(report: Report) -> str:
    """Return the report as JUnit's XML, which build servers show."""
    name = f"{report.environment} {report.checklist}"
    counts = {
        kind: str(sum(_JUNIT.get(each.outcome) == kind for each in report.results))
        for kind in _JUNIT.values()
    }
    suites = ET.Element("testsuites")
    suite = ET.SubElement(
        suites,
        "testsuite",
        name=name,
        timestamp=report.at.isoformat(timespec="seconds"),
        tests=str(len(report.results)),
        failures=counts["failure"],
        errors=counts["error"],
    )
    for line in report.lines:
        for result in line.results:
            case = ET.SubElement(suite, "testcase", classname=f"{name}: {line.title}", name=result.name)
            said = printable(f"{result.evidence}\n{result.remedy}".strip())
            if kind := _JUNIT.get(result.outcome):
                ET.SubElement(case, kind, message=printable(result.evidence)).text = said
            else:
                ET.SubElement(case, "system-out").text = said
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"
