"""What `./gantry firewall blocked` makes of WAF's log."""

import json
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from ops.console import CliError, duration
from ops.firewall import show_blocked, summary


def record(action: str, rule: str, at: int, **more: object) -> dict[str, Any]:
    """Return a line as WAF logs it: https://docs.aws.amazon.com/waf/latest/developerguide/logging-fields.html."""
    request = {"clientIp": "203.0.113.9", "uri": "/api/v1/tasks", "httpMethod": "POST", "headers": []}
    return {"timestamp": at, "action": action, "terminatingRuleId": rule, "httpRequest": request} | more


def group(**rules: object) -> list[dict[str, Any]]:
    return [{"ruleGroupId": "AWS#AWSManagedRulesCommonRuleSet", "terminatingRule": None} | rules]


BLOCKED = record(
    "BLOCK",
    "AWSManagedRulesCommonRuleSet",
    1_790_000_000_000,
    ruleGroupList=group(terminatingRule={"ruleId": "CrossSiteScripting_BODY", "action": "BLOCK"}),
)
COUNTED = record(
    "ALLOW",
    "Default_Action",
    1_790_000_060_000,
    ruleGroupList=group(
        nonTerminatingMatchingRules=[
            {"ruleId": "SizeRestrictions_BODY", "action": "COUNT", "overriddenAction": "BLOCK"}
        ]
    ),
)
LIMITED = record("BLOCK", "rate-limit", 1_790_000_120_000, ruleGroupList=[], nonTerminatingMatchingRules=[])


def test_requests_are_counted_by_the_rule_that_ended_or_counted_them() -> None:
    found = summary([BLOCKED, COUNTED, LIMITED, LIMITED | {"timestamp": 1_790_000_121_000}])
    assert [(each.requests, each.action, each.rule) for each in found] == [
        (2, "BLOCK", "rate-limit"),
        (1, "BLOCK", "AWSManagedRulesCommonRuleSet/CrossSiteScripting_BODY"),
        (1, "COUNT", "AWSManagedRulesCommonRuleSet/SizeRestrictions_BODY"),
    ]
    assert (found[0].method, found[0].path, found[0].address) == ("POST", "/api/v1/tasks", "203.0.113.9")
    assert found[0].last == "2026-09-21T14:15:21+00:00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90m", timedelta(minutes=90)), ("1h", timedelta(hours=1)), ("2d", timedelta(days=2))],
)
def test_times_are_minutes_hours_or_days(text: str, expected: timedelta) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "1", "0h", "1w", "-1h", "1.5h", "99999d"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(CliError, match="give minutes, hours or days"):
        show_blocked("prod", since=text, as_json=False)


class Logs:
    """CloudWatch Logs with one group."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def get_paginator(self, _operation: str) -> "Logs":
        return self

    def paginate(self, **asked: object) -> list[dict[str, Any]]:
        self.asked = asked
        return [{"events": [{"message": json.dumps(each)}]} for each in (BLOCKED, COUNTED)]


def environment(monkeypatch: pytest.MonkeyPatch, *, endpoint_url: str | None = None) -> Logs:
    logs = Logs()
    outputs = {"FirewallLogGroupName": "aws-waf-logs-gantry-prod"}
    connected = SimpleNamespace(endpoint_url=endpoint_url, logs=logs, outputs=lambda _layer: outputs)
    monkeypatch.setattr("ops.firewall.connect", lambda _name: connected)
    return logs


def test_log_of_the_firewall_is_read_from_the_time_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = environment(monkeypatch)
    show_blocked("prod", since="2h", as_json=True)
    assert [each["action"] for each in json.loads(capsys.readouterr().out)] == ["BLOCK", "COUNT"]
    assert logs.asked["logGroupName"] == "aws-waf-logs-gantry-prod"
    assert time.time() - logs.asked["startTime"] / 1000 == pytest.approx(7200, abs=60)


def test_sandbox_says_that_it_has_no_firewall(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, endpoint_url="http://127.0.0.1:4566")
    with pytest.raises(CliError, match="no firewall"):
        show_blocked("sandbox", since="1h", as_json=False)
