"""The alarms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ops import alarms
from ops.status.look import Look
from ops.status.part import Part, counted, moment

_NAMED = 100  # at most, in one request


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An alarm that is in ALARM."""

    alarm: str
    since: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class Alarms(Part):
    """The alarms of the environment.

    Attributes
    ----------
    total, no_data
        How many CloudWatch has, and how many of them lack data.
    items
        Those in ALARM.
    """

    total: int
    no_data: int
    items: Sequence[Alarm]

    def problems(self) -> Iterator[str]:
        """Yield those in ALARM."""
        for each in self.items:
            yield f"{each.alarm} is in ALARM"

    def lines(self) -> Iterator[str]:
        """Yield how many are in ALARM, and which."""
        without = f"; {self.no_data} have no data" if self.no_data else ""
        yield f"{len(self.items)} of {counted(self.total, 'alarm')} in ALARM{without}"
        for each in self.items:
            yield f"{each.alarm} since {moment(each.since)}: {each.reason}"


def read(look: Look) -> Alarms | None:
    """Return the alarms that the stacks made; None before there are any."""
    names = sorted(alarms.names(look.environment))
    if not names:
        return None
    client = look.environment.cloudwatch
    answers = [
        client.describe_alarms(
            AlarmNames=names[start : start + _NAMED],
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
            MaxRecords=_NAMED,
        )
        for start in range(0, len(names), _NAMED)
    ]
    found: list[Any] = []
    for answer in answers:
        found += [*answer.get("CompositeAlarms", ()), *answer.get("MetricAlarms", ())]
    return Alarms(
        total=len(found),
        no_data=sum(each["StateValue"] == "INSUFFICIENT_DATA" for each in found),
        items=[
            Alarm(
                alarm=each["AlarmName"],
                since=each["StateUpdatedTimestamp"],
                reason=each.get("StateReason", ""),
            )
            for each in found
            if each["StateValue"] == "ALARM"
        ],
    )
