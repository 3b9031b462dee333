"""Every week: alarms that entered ALARM, pins that are behind, what the account costs."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ops.checks import pins
from ops.checks.context import Context
from ops.checks.results import Check, Line, Result, failed, ok, unknown
from stacks.settings import GLOBAL_REGION

_WEEK = timedelta(days=7)
_DAYS_A_MONTH = 30.4
# A week that costs this much more than the one before is looked at, from a dollar on.
_GROWTH, _LEAST_USD = 1.25, 1.0


@dataclass(frozen=True, kw_only=True)
class Week(Context):
    """An environment, and the week that ends now.

    Attributes
    ----------
    asks_costs
        Whether Cost Explorer is asked, which costs $0.01.
    """

    asks_costs: bool


def _alarms(context: Week) -> Iterator[Result]:
    prefix = f"{context.settings.full_name}-"
    pages = (
        context.client("cloudwatch")
        .get_paginator("describe_alarm_history")
        .paginate(
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
            HistoryItemType="StateUpdate",
            StartDate=context.now - _WEEK,
            EndDate=context.now,
        )
    )
    entered = Counter(
        item["AlarmName"]
        for page in pages
        for item in page["AlarmHistoryItems"]
        if item["AlarmName"].startswith(prefix) and _entered_alarm(item["HistoryData"])
    )
    if entered:
        listed = ", ".join(f"{name} ({times} ×)" for name, times in entered.most_common())
        yield failed("alarms", f"In ALARM within seven days: {listed}.", "docs/troubleshooting.md, by alarm")
    else:
        yield ok("alarms", f"No alarm of {context.settings.full_name} entered ALARM within seven days.")


def _entered_alarm(history: str) -> bool:
    state: object = json.loads(history).get("newState", {}).get("stateValue")
    return state == "ALARM"


def _costs(context: Week) -> Iterator[Result]:
    if not context.asks_costs:
        reason = "Not asked: a request of Cost Explorer costs $0.01."
        yield unknown("costs", reason, f"`./gantry check weekly -e {context.settings.environment} --cost`")
        return
    today = context.now.date()
    answer = context.client("ce", GLOBAL_REGION).get_cost_and_usage(
        TimePeriod={"Start": f"{today - 2 * _WEEK}", "End": f"{today}"},
        Granularity="DAILY",
        Metrics=["UnblendedCost"],
    )
    days = [float(day["Total"]["UnblendedCost"]["Amount"]) for day in answer["ResultsByTime"]]
    before, now = sum(days[:-7]), sum(days[-7:])
    budget = context.settings.cost.monthly_budget_usd
    month = now / 7 * _DAYS_A_MONTH
    evidence = f"The account cost ${now:.2f} in seven days, and ${before:.2f} in the seven before"
    evidence += f"; a month is ${month:.2f} of ${budget}." if budget else "."
    if len(days) < 14:
        yield unknown("costs", f"Cost Explorer knows {len(days)} of the last 14 days.")
    elif now > max(before * _GROWTH, before + _LEAST_USD) or (budget is not None and month > budget):
        yield failed(
            "costs", evidence, "docs/troubleshooting.md, `Costs`; `./gantry cost` says what is expected"
        )
    else:
        yield ok("costs", evidence)


WEEKLY: Sequence[Line[Week]] = (
    Line("Review CloudWatch alarms", [Check("alarms", _alarms)]),
    Line(
        "Check for pending updates of pins",
        [
            Check("Python pins", pins.python, asks_aws=False),
            Check("npm pins", pins.npm, asks_aws=False),
        ],
    ),
    Line("Review cost reports in AWS Cost Explorer", [Check("costs", _costs)]),
)
