"""How rules come out, given what was found, what is acknowledged and what there was to look at."""

import io
import json
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ops.console import CliError
from ops.security import page, report
from ops.security.assessment import Assessment, Outcome, Status, assess, assessment
from ops.security.findings import Acknowledgement, Finding, pack_of, rule_of

BUCKETS = {"aws-cdk-lib.aws_s3.CfnBucket": 2}
LOGS = Finding("AwsSolutions-S1", "AwsSolutions-S1", "State/Logs/Resource", "no access logs")
ACCEPTED = Finding("AwsSolutions-S1", "AwsSolutions-S1", "State/Data/Resource", "", "It <is> the log itself.")
ROLE = "AwsSolutions-IAM5[Resource::*]"


def acknowledged(finding: str, construct: str, *, qualified: bool) -> Acknowledgement:
    return Acknowledgement(pack_of(finding), finding, construct, "because", qualified)


def outcome(found: Assessment, rule: str) -> Outcome:
    return next(each for each in found.outcomes if each.rule.id == rule)


@pytest.mark.parametrize(
    ("findings", "resources", "status"),
    [
        ([LOGS, ACCEPTED], BUCKETS, Status.FAILED),
        ([ACCEPTED], BUCKETS, Status.ACKNOWLEDGED),
        ([], BUCKETS, Status.PASSED),
        ([], {}, Status.NOT_APPLICABLE),
    ],
)
def test_the_worst_of_a_rules_resources_decides(
    findings: list[Finding], resources: dict[str, int], status: Status
) -> None:
    found = assessment("test", findings, [], resources)
    assert outcome(found, "AwsSolutions-S1").status is status
    assert found.counts("AwsSolutions")[status] >= 1
    assert sum(found.counts("AwsSolutions").values()) == len(found.of_pack("AwsSolutions"))
    assert bool(found.failed) == (status is Status.FAILED)


def test_rule_says_how_many_resources_it_looked_at() -> None:
    assert outcome(assessment("test", [], [], BUCKETS), "AwsSolutions-S1").resources == 2


def test_control_comes_out_as_the_worst_of_its_rules() -> None:
    failed = Finding("NIST.800.53.R5-ALBWAFEnabled", "NIST.800.53.R5-ALBWAFEnabled", "C/Lb", "")
    (control,) = outcome(assessment("test", [failed], [], {}), failed.rule).rule.controls
    assert assessment("test", [failed], [], {}).controls("NIST.800.53.R5")[control] is Status.FAILED
    assert assessment("test", [], [], {}).controls("NIST.800.53.R5")[control] is Status.NOT_APPLICABLE


def test_finding_of_a_rule_that_no_list_has_is_not_lost() -> None:
    strange = Finding("PCI.DSS.321-New", "PCI.DSS.321-New", "State/Data", "It is new.")
    found = assessment("test", [strange], [], {})
    assert found.failed == [strange]
    assert found.of_pack("PCI.DSS.321")[0].rule.title == "It is new."


def test_acknowledgement_of_a_finding_that_is_no_longer_found_is_stale() -> None:
    covering = acknowledged("AwsSolutions-S1", "State/Data", qualified=True)
    elsewhere = acknowledged("AwsSolutions-S1", "State/Da", qualified=True)
    other = acknowledged(ROLE, "State/Data", qualified=True)
    found = assessment("test", [ACCEPTED], [covering, elsewhere, other], BUCKETS)
    assert found.stale == (elsewhere, other)


def test_acknowledgement_without_its_pack_counts_as_the_finding_that_it_hides() -> None:
    found = assessment("test", [], [acknowledged(ROLE, "Compute/Role", qualified=False)], {})
    (finding,) = outcome(found, "AwsSolutions-IAM5").acknowledged
    assert (finding.id, finding.resource, finding.reason) == (ROLE, "Compute/Role", "because")
    assert found.stale == ()


@pytest.mark.parametrize(("finding", "rule", "pack"), [
    (ROLE, "AwsSolutions-IAM5", "AwsSolutions"),
    ("HIPAA.Security-LambdaDLQ", "HIPAA.Security-LambdaDLQ", "HIPAA.Security"),
])  # fmt: skip
def test_finding_belongs_to_a_rule_and_a_pack(finding: str, rule: str, pack: str) -> None:
    assert (rule_of(finding), pack_of(finding)) == (rule, pack)


def write(directory: Path, *plugins: dict[str, Any], metadata: dict[str, Any] | None = None) -> Path:
    """What of an assembly an assessment reads."""
    (directory / "validation-report.json").write_text(json.dumps({"pluginReports": plugins}))
    (directory / "State.metadata.json").write_text(json.dumps(metadata or {}))
    bucket = {"constructInfo": {"fqn": "aws-cdk-lib.aws_s3.CfnBucket"}}
    tree = {"children": {"State": {"children": {"Data": bucket, "Logs": bucket}}}}
    (directory / "tree.json").write_text(json.dumps({"tree": tree}))
    return directory


def violation(rule: str, construct: str, **more: str) -> dict[str, Any]:
    return {
        "ruleName": rule, "description": "d", "severity": "error",
        "violatingConstructs": [{"constructPath": construct}], **more,
    }  # fmt: skip


def test_report_of_the_synthesis_is_read(tmp_path: Path) -> None:
    nag = {
        "pluginName": "AwsSolutions",
        "violations": [violation("AwsSolutions-S1", "State/Logs")],
        "suppressedViolations": [violation("AwsSolutions-S1", "State/Data", reason="because")],
    }
    other = {"pluginName": "CloudFormation Validate", "violations": [violation("W3010", "State/Logs")]}
    entry = {"type": "aws:cdk:acknowledged-rules", "data": {"AwsSolutions::AwsSolutions-S1": "because"}}
    metadata = {"/State/Data": [entry, {"type": "aws:cdk:logicalId", "data": "x"}], "/State/Logs": [entry]}
    found = assess(write(tmp_path, nag, other, metadata=metadata), environment="test")
    assert [each.resource for each in found.failed] == ["State/Logs"]
    assert [each.resource for each in outcome(found, "AwsSolutions-S1").acknowledged] == ["State/Data"]
    assert outcome(found, "AwsSolutions-S1").resources == 2
    assert [each.construct for each in found.stale] == ["State/Logs"]


def test_pack_that_could_not_run_is_no_pass(tmp_path: Path) -> None:
    broken = {"pluginName": "PCI.DSS.321", "violations": [], "metadata": {"error": "it broke"}}
    with pytest.raises(CliError, match=r"The pack PCI\.DSS\.321 could not run: it broke"):
        assess(write(tmp_path, broken), environment="test")


@pytest.fixture
def found() -> Assessment:
    shared = [
        Finding(f"{p}-LambdaDLQ", f"{p}-LambdaDLQ", "Data/F<n>", "")
        for p in ("NIST.800.53.R5", "HIPAA.Security")
    ]
    stale = acknowledged(ROLE, "State/Data", qualified=True)
    return assessment("test", [*shared, ACCEPTED], [stale], BUCKETS)


def test_terminal_prints_what_packs_share_once(found: Assessment, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.StringIO()
    for name in ("out", "err"):
        monkeypatch.setattr(report, name, Console(file=sink, width=160))
    report.print_tables(found)
    text = sink.getvalue()
    assert text.count("LambdaDLQ") == 1
    assert "in NIST 800-53 rev. 5, HIPAA Security" in text
    assert "It <is> the log itself." in text
    assert f"Stale: {ROLE} on State/Data" in text
    assert "version 3.2.1" in text


def test_program_reads_rules_and_controls(found: Assessment, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.StringIO()
    monkeypatch.setattr(report, "out", Console(file=sink, width=160))
    report.print_json(found)
    document = json.loads(sink.getvalue())
    nist = document["packs"]["NIST.800.53.R5"]
    assert nist["counts"]["failed"] == 1
    assert nist["rules"][0]["failed"] == [{"id": "NIST.800.53.R5-LambdaDLQ", "resource": "Data/F<n>"}]
    assert "failed" in nist["controls"].values()
    aws = {rule["id"]: rule for rule in document["packs"]["AwsSolutions"]["rules"]}
    assert aws["AwsSolutions-S1"]["acknowledged"][0]["reason"] == "It <is> the log itself."
    assert document["stale"][0]["id"] == ROLE


class Page(HTMLParser):
    """Collects tags that were opened and not closed, what is loaded from elsewhere, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.seen: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] += 1
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_page_is_whole_escaped_and_needs_no_other_file(found: Assessment) -> None:
    html = page.render(found, at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    read = Page()
    read.feed(html)
    assert read.open == []
    assert read.links
    assert all(link.startswith("#") for link in read.links)
    assert not {"script", "link", "img"} & read.seen.keys()
    assert "url(" not in html
    text = " ".join(read.words)
    assert "Data/F<n>" in text
    assert "It <is> the log itself." in text
    assert "Templates synthesised 2026-01-02 03:04 UTC" in text
    assert "PCI DSS 4.0 has replaced it" in text
    assert text.count("NIST.800.53.R5-LambdaDLQ") == 1
