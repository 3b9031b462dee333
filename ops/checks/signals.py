"""The dashboard's golden signals of the last minutes, against the hour before."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any

from contract import dashboard
from ops.checks.context import Context
from ops.checks.results import Result, failed, ok, unknown
from ops.console import CliError

_NOW, _BEFORE = timedelta(minutes=15), timedelta(hours=1)
_RUNBOOK = "Look at the dashboard {name} and into docs/troubleshooting.md."
Points = Sequence[tuple[datetime, float]]


@dataclass(frozen=True)
class _Window:
    """Two spans of time, one after the other, in whole minutes: CloudWatch keeps these."""

    boundary: datetime
    end: datetime

    @property
    def start(self) -> datetime:
        return self.boundary - _BEFORE

    def split(self, points: Points) -> tuple[list[float], list[float]]:
        """Return the values of the hour before, and those of now."""
        before = [value for at, value in points if at < self.boundary]
        return before, [value for at, value in points if at >= self.boundary]


@dataclass(frozen=True)
class _Signal:
    """A signal before and now; the limit is that of its alarm."""

    name: str
    unit: str
    before: float | None
    now: float
    limit: float

    def result(self, remedy: str) -> Result:
        allowed = allowance(self.before, self.limit)
        before = "no data" if self.before is None else f"{self.before:.3g}{self.unit}"
        evidence = (
            f"{self.now:.3g}{self.unit} in the last 15 minutes, {before} in the hour before; "
            f"up to {allowed:.3g}{self.unit} is normal."
        )
        return ok(self.name, evidence) if self.now <= allowed else failed(self.name, evidence, remedy)


def allowance(before: float | None, limit: float) -> float:
    """Return up to which value a signal is normal.

    Twice what it was is, from a tenth of its alarm's limit on; over the limit only what was so before, too.
    """
    if before is None:
        return limit
    twice = max(2 * before, limit / 10)
    return twice if before > limit else min(twice, limit)


def golden_signals(context: Context) -> Iterator[Result]:
    """Yield errors, latency and saturation, each against the hour before."""
    name = context.outputs("observability")["DashboardName"]
    end = context.now.replace(second=0, microsecond=0)
    window, limits = _Window(end - _NOW, end), context.settings.observability
    found = _measure(context, _graphs(context, name), window)
    remedy = _RUNBOOK.format(name=name)
    requests = [sum(values) for values in window.split(found[dashboard.TRAFFIC, 0])]
    if not requests[1]:
        reason = "CloudWatch has counted no request in the last 15 minutes."
        yield unknown("errors", reason)
        yield unknown("latency p99", reason)
    else:
        errors = [_sum_of(found, dashboard.ERRORS, window, index) for index in (0, 1)]
        shares = [100 * errors[i] / requests[i] if requests[i] else None for i in (0, 1)]
        limit = limits.server_errors_alarm_percent
        yield _Signal("errors", " %", shares[0], shares[1] or 0, limit).result(remedy)
        latency = found[dashboard.LATENCY, "p99"]
        yield _mean("latency p99", " s", window.split(latency), limits.latency_alarm_seconds, remedy)
    cpu = found[dashboard.SATURATION, "CPU"]
    yield _mean("CPU of the tasks", " %", window.split(cpu), limits.cpu_alarm_percent, remedy)


def _mean(name: str, unit: str, values: tuple[list[float], list[float]], limit: float, remedy: str) -> Result:
    before, now = values
    if not now:
        return unknown(name, "CloudWatch has no value of the last 15 minutes.")
    return _Signal(name, unit, fmean(before) if before else None, fmean(now), limit).result(remedy)


def _sum_of(found: Mapping[tuple[str, Any], Points], title: str, window: _Window, index: int) -> float:
    """Return the sum of all series of a graph, before or now; what CloudWatch has not counted is none."""
    series = {id(points): points for (graph, _), points in found.items() if graph == title}
    return sum(sum(window.split(points)[index]) for points in series.values())


def _graphs(context: Context, name: str) -> dict[str, list[list[Any]]]:
    """Return the metrics of each graph of the dashboard, as it writes them, by its title."""
    body = context.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"]
    graphs = {
        widget["properties"].get("title", ""): widget["properties"]["metrics"]
        for widget in json.loads(body)["widgets"]
        if widget["type"] == "metric"
    }
    titles = (dashboard.TRAFFIC, dashboard.ERRORS, dashboard.LATENCY, dashboard.SATURATION)
    if missing := [title for title in titles if title not in graphs]:
        raise CliError(
            f"The dashboard {name} has no graph {', '.join(missing)}.",
            remedy="Deploy the observability layer again.",
        )
    return {title: graphs[title] for title in titles}


def _measure(
    context: Context, graphs: Mapping[str, list[list[Any]]], window: _Window
) -> dict[tuple[str, Any], Points]:
    """Return the values of each series, by its graph and its place there, or its label."""
    queries: list[dict[str, Any]] = []
    keys: dict[str, list[tuple[str, Any]]] = {}
    for title, series in graphs.items():
        for index, metric in enumerate(series):
            identity = f"m{len(queries)}"
            queries.append(_query(identity, metric))
            keys[identity] = [(title, index), (title, metric[-1].get("label"))]
    pages = (
        context.client("cloudwatch")
        .get_paginator("get_metric_data")
        .paginate(MetricDataQueries=queries, StartTime=window.start, EndTime=window.end)
    )
    values: dict[str, list[tuple[datetime, float]]] = {identity: [] for identity in keys}
    for page in pages:
        for each in page["MetricDataResults"]:
            values[each["Id"]] += zip(each["Timestamps"], each["Values"], strict=True)
    return {key: values[identity] for identity, both in keys.items() for key in both}


def _query(identity: str, metric: list[Any]) -> dict[str, Any]:
    """Return the query of a metric of a dashboard ("Dashboard body structure and syntax")."""
    namespace, name, *dimensions, options = metric
    pairs = zip(dimensions[::2], dimensions[1::2], strict=True)
    return {
        "Id": identity,
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in pairs],
            },
            "Period": options["period"],
            "Stat": options.get("stat", "Average"),
        },
    }
