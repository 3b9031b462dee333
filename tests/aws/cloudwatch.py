"""Metric alarms as CloudWatch evaluates them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html (M out of N)
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_BEYOND = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
}
_TOGETHER: dict[str, Callable[[list[float]], float]] = {
    "Sum": sum, "Maximum": max, "Minimum": min, "Average": lambda values: sum(values) / len(values),
}  # fmt: skip
# CloudWatch looks further back than it must, for points in place of those that are missing.
_FURTHER_BACK = 2


@dataclass(frozen=True)
class Metric:
    """What an alarm reads under an id."""

    id: str
    name: str
    dimensions: Mapping[str, Any]
    statistic: str
    period: int


class Alarm:
    """A metric alarm of a template, on a metric or on an expression alike."""

    def __init__(self, properties: Mapping[str, Any]) -> None:
        self.properties = properties
        self.name: str = properties["AlarmName"]
        statistic = properties.get("Statistic") or properties.get("ExtendedStatistic")
        single = {"Metric": properties, "Period": properties.get("Period"), "Stat": statistic}
        queries = properties.get("Metrics", [{"Id": "m", "MetricStat": single}])
        (self.expression,) = [q["Expression"] for q in queries if "Expression" in q] or ["m"]
        self.metrics = tuple(_metric(q["Id"], q["MetricStat"]) for q in queries if "MetricStat" in q)
        names = ", ".join(metric.id for metric in self.metrics)
        # The template's own expression, whose operators are Python's.
        self._formula = compile(self.expression.replace("METRICS()", f"[{names}]"), self.name, "eval")
        self.of: int = properties["EvaluationPeriods"]
        self.datapoints: int = properties.get("DatapointsToAlarm", self.of)

    def enters_alarm(self, value: Callable[[Metric, int], float | None], now: int, *, zero: bool) -> bool:
        """Return whether the alarm is in ALARM at a minute.

        Parameters
        ----------
        value
            A metric's value of a minute, or nothing.
        zero
            Whether arithmetic takes a missing value for 0 where the other is there, which AWS says of values
            and not of metrics without any.
        """
        points = [self._point(value, now, back, zero) for back in range(self.of + _FURTHER_BACK)]
        found = [point for point in points if point is not None][: self.of]
        beyond = _BEYOND[self.properties["ComparisonOperator"]]
        breaching = sum(beyond(point, self.properties["Threshold"]) for point in found)
        if self.properties["TreatMissingData"] == "breaching":
            breaching += self.of - len(found)
        return bool(breaching >= self.datapoints)

    def _point(
        self, value: Callable[[Metric, int], float | None], now: int, back: int, zero: bool
    ) -> float | None:
        names: dict[str, Any] = {}
        for metric in self.metrics:
            minutes = metric.period // 60
            end = now - back * minutes
            values = [found for at in range(end - minutes, end) if (found := value(metric, at)) is not None]
            together = _TOGETHER.get(metric.statistic, max)
            names[metric.id] = _Term(together(values) if values else None, zero)
        return _term(eval(self._formula, {"__builtins__": {}}, _FUNCTIONS | names)).value


@dataclass(frozen=True)
class _Term:
    value: float | None
    zero: bool = False

    def _with(self, other: "_Term | float", calculate: Callable[[float, float], float]) -> "_Term":
        right = _term(other).value
        missing = [each is None for each in (self.value, right)]
        if all(missing) or (any(missing) and not self.zero):
            return _Term(None, self.zero)
        try:
            return _Term(float(calculate(self.value or 0, right or 0)), self.zero)
        except ZeroDivisionError:
            return _Term(None, self.zero)

    def __add__(self, other: "_Term | float") -> "_Term":
        return self._with(other, operator.add)

    def __sub__(self, other: "_Term | float") -> "_Term":
        return self._with(other, operator.sub)

    def __rmul__(self, other: float) -> "_Term":
        return self._with(other, operator.mul)

    def __truediv__(self, other: "_Term | float") -> "_Term":
        return self._with(other, operator.truediv)

    def __gt__(self, other: "_Term | float") -> "_Term":
        return self._with(other, operator.gt)

    def __ge__(self, other: "_Term | float") -> "_Term":
        return self._with(other, operator.ge)


def _term(given: _Term | float) -> _Term:
    return given if isinstance(given, _Term) else _Term(given)


def _if(condition: _Term, then: _Term | float, otherwise: _Term | float) -> _Term:
    return condition if condition.value is None else _term(then if condition.value else otherwise)


def _fill(term: _Term, value: float) -> _Term:
    return _Term(value, term.zero) if term.value is None else term


def _sum(terms: list[_Term]) -> _Term:
    values = [term.value for term in terms if term.value is not None]
    return _Term(sum(values) if values else None)


_FUNCTIONS: dict[str, Any] = {"IF": _if, "FILL": _fill, "SUM": _sum}


def _metric(identity: str, stat: Mapping[str, Any]) -> Metric:
    metric = stat["Metric"]
    dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions", ())}
    return Metric(
        identity, f"{metric['Namespace']} {metric['MetricName']}", dimensions, stat["Stat"], stat["Period"]
    )
