"""Alarms that changed their state."""

import json
from collections.abc import Iterator
from datetime import datetime

from ops import alarms
from ops.events.event import Event, Kind
from ops.status.look import Look


def read(look: Look, start: datetime) -> Iterator[Event]:
    """Yield each change of an alarm's state; CloudWatch keeps those of a month."""
    names = alarms.names(look.environment)
    pages = look.environment.cloudwatch.get_paginator("describe_alarm_history").paginate(
        AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        HistoryItemType="StateUpdate",
        StartDate=start,
        EndDate=look.now,
    )
    for page in pages if names else ():
        for item in page.get("AlarmHistoryItems", ()):
            if item["AlarmName"] not in names or item["Timestamp"] < start:
                continue
            data = json.loads(item["HistoryData"])
            old, new = data["oldState"]["stateValue"], data["newState"]["stateValue"]
            if old != new:
                reason = data["newState"].get("stateReason", "")
                yield Event(
                    time=item["Timestamp"],
                    kind=Kind.ALARM,
                    subject=item["AlarmName"],
                    text=f"{old} to {new}: {reason}",
                )
