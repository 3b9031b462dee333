"""How a checklist is shown: to a person at 80 columns, to a program, to a build server."""

import json
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from ops.checks import report
from ops.checks.report import Report
from ops.checks.results import Checked, Outcome, Result, failed, ok, overall, unknown

LONG = "arn:aws:sns:eu-central-1:482915370264:gantry-production-state-AlertTopic2720D535-7BD0895F17C11"
FOUND = Report(
    "post-deploy",
    "prod",
    datetime(2026, 11, 27, 12, tzinfo=UTC),
    [
        Checked("Tasks", [ok("tasks", "3 of 3."), failed("targets", f"{LONG} \x1b[2J", "Do <it> & so.")]),
        Checked("Signals", [unknown("errors", "No request.")]),
        Checked("Nothing of it here", []),
    ],
)  # fmt: skip


def test_table_fits_80_columns_and_leaves_nothing_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "out", Console(width=80))
    report.print_table(FOUND)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    printed = "".join(line.strip() for line in lines)
    assert LONG in printed.replace(" ", "")
    assert "…" not in printed
    assert "\x1b[2J" not in printed
    assert "Nothing of it here" not in printed


def test_json_has_the_documented_form(capsys: pytest.CaptureFixture[str]) -> None:
    report.print_json(FOUND)
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["checklist", "environment", "at", "outcome", "lines"]
    assert (document["outcome"], document["at"]) == ("failed", "2026-11-27T12:00:00+00:00")
    assert [line["title"] for line in document["lines"]] == ["Tasks", "Signals", "Nothing of it here"]
    assert document["lines"][1]["results"] == [
        {"name": "errors", "outcome": "unknown", "evidence": "No request.", "remedy": ""}
    ]


def test_junit_has_a_failure_for_what_failed_and_an_error_for_what_is_unknown() -> None:
    suite = ET.fromstring(report.junit(FOUND)).find("testsuite")
    assert suite is not None
    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "3",
        "failures": "1",
        "errors": "1",
    }
    assert [[child.tag for child in case] for case in suite] == [["system-out"], ["failure"], ["error"]]
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "Do <it> & so." in (failure.text or "")


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [([], "ok"), (["ok"], "ok"), (["ok", "unknown"], "unknown"), (["unknown", "failed", "ok"], "failed")],
)
def test_whole_is_as_the_worst_of_it(outcomes: list[str], expected: str) -> None:
    assert overall(Result("", Outcome(each), "") for each in outcomes) == expected
