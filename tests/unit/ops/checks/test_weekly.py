"""What is found every week, of an account and of registries whose answers are written down."""

import json
from collections.abc import Sequence

import pytest

from ops.checks import pins, running
from ops.checks.results import Outcome, Result
from ops.checks.weekly import WEEKLY, Week
from tests.unit.ops.checks.account import CALLER, NOW, Account, Answer


def history(*states: tuple[str, str]) -> Answer:
    items = [
        {
            "AlarmName": name,
            "HistoryData": json.dumps({"oldState": {"stateValue": "OK"}, "newState": {"stateValue": state}}),
        }
        for name, state in states
    ]
    return {"AlarmHistoryItems": items}


def costs(*days: float) -> Answer:
    return {
        "ResultsByTime": [{"Total": {"UnblendedCost": {"Amount": str(day), "Unit": "USD"}}} for day in days]
    }


WELL = CALLER | {
    "cloudwatch.DescribeAlarmHistory": history(("gantry-prod-errors", "OK"), ("other-errors", "ALARM")),
    "ce.GetCostAndUsage": costs(*[10.0] * 14),
}


class Registries:
    """Package registries: every pin is the newest, but for some."""

    def __init__(self) -> None:
        self.newest: dict[str, str] = {}
        self.online = True

    def ask(self, command: Sequence[str]) -> str:
        if not self.online:
            return ""
        if "index" in command:
            name = command[command.index("versions") + 1]
            return f"{name} ({self.newest.get(name, pins._python_pins()[name])})\nAvailable versions: …\n"
        name, _, version = command[command.index("view") + 1].rpartition("@^")
        return json.dumps(["1.0.0", self.newest.get(name, version)])


@pytest.fixture(autouse=True)
def registries(monkeypatch: pytest.MonkeyPatch) -> Registries:
    found = Registries()
    monkeypatch.setattr(pins, "_ask", found.ask)
    return found


def found(answers: dict[str, Answer] | None = None, *, asks_costs: bool = True) -> dict[str, Result]:
    account = Account(WELL | (answers or {}))
    week = Week(account.context().environment, NOW, asks_costs=asks_costs)
    results = {each.name: each for line in running.run(WEEKLY, week) for each in line.results}
    assert asks_costs or "ce.GetCostAndUsage" not in account.asked
    return results


def test_quiet_week_is_well() -> None:
    results = found()
    assert {name: str(each) for name, each in results.items() if each.outcome is not Outcome.OK} == {}
    assert results["costs"].evidence.endswith("a month is $304.00 of $1500.")


def test_alarm_that_was_over_before_anyone_looked_is_counted() -> None:
    name = "gantry-prod-errors"
    answer = history((name, "ALARM"), (name, "OK"), (name, "ALARM"))
    result = found({"cloudwatch.DescribeAlarmHistory": answer})["alarms"]
    assert (result.outcome, f"{name} (2 ×)" in result.evidence) == (Outcome.FAILED, True)


def test_pins_that_are_behind_are_named_with_both_versions(registries: Registries) -> None:
    registries.newest = {"boto3": "99.0", "aws-cdk": "2.9999.0"}
    results = found()
    assert f"boto3 {pins._python_pins()['boto3']} → 99.0" in results["Python pins"].evidence
    assert "2.9999.0" in results["npm pins"].evidence
    assert {results[f"{kind} pins"].outcome for kind in ("Python", "npm")} == {Outcome.FAILED}


def test_registry_that_does_not_answer_makes_nothing_the_newest(registries: Registries) -> None:
    registries.online = False
    results = found()
    assert {results[f"{kind} pins"].outcome for kind in ("Python", "npm")} == {Outcome.UNKNOWN}


def test_every_file_of_requirements_is_looked_at() -> None:
    # One of each, and none that is there only because another package needs it.
    assert {"boto3", "fastapi", "ministack", "pytest", "psycopg"} <= pins._python_pins().keys()
    assert "botocore-stubs" not in pins._python_pins()


def test_costs_are_not_asked_for_unless_someone_pays() -> None:
    result = found(asks_costs=False)["costs"]
    assert (result.outcome, "$0.01" in result.evidence) == (Outcome.UNKNOWN, True)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (costs(*[10.0] * 7, *[13.0] * 7), Outcome.FAILED),  # it grows
        (costs(*[60.0] * 14), Outcome.FAILED),  # over the budget of a month
        (costs(*[0.01] * 7, *[0.1] * 7), Outcome.OK),  # cents
        (costs(*[10.0] * 5), Outcome.UNKNOWN),
        ("DataUnavailableException", Outcome.UNKNOWN),
        ("AccessDeniedException", Outcome.UNKNOWN),
    ],
)
def test_costs_that_grow_or_exceed_the_budget_fail(answer: Answer, outcome: Outcome) -> None:
    assert found({"ce.GetCostAndUsage": answer})["costs"].outcome is outcome
