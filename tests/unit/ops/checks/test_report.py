"""How a checklist is shown: to a person at 80 columns, to a program, to a build server."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from ops.checks import report
from ops.checks.post_deploy import POST_DEPLOY
from ops.checks.pre_deploy import PRE_DEPLOY
from ops.checks.report import Report
from ops.checks.results import Checked, Line, Outcome, Result, failed, ok, overall, unknown
from ops.checks.weekly import WEEKLY

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


# The checklists of the operations guide: each line is at least one check that is made.
GUIDE = {
    "pre-deploy": [
        "Plan is clean",
        "Image build succeeded",
        "Required secrets exist",
        "Security scans passed",
    ],
    "post-deploy": [
        "/healthz returns 200",
        "ECS service shows desired task count",
        "Database connections are healthy",
        "CloudWatch dashboard shows normal metrics",
    ],
    "weekly": [
        "Review CloudWatch alarms",
        "Check for pending updates of pins",
        "Review cost reports in AWS Cost Explorer",
    ],
}


def test_every_line_of_the_guide_is_checked() -> None:
    ours: dict[str, Sequence[Line[Any]]] = {
        "pre-deploy": PRE_DEPLOY,
        "post-deploy": POST_DEPLOY,
        "weekly": WEEKLY,
    }
    for checklist, titles in GUIDE.items():
        assert [line.title for line in ours[checklist]][: len(titles)] == titles
    for lines in ours.values():
        assert all(line.checks for line in lines)
        names = [check.name for line in lines for check in line.checks]
        assert len(set(names)) == len(names)
