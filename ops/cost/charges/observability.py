"""Charges of observability: logs, alarms, dashboards, canaries."""

import itertools
import json
import re
from collections.abc import Iterator
from decimal import Decimal

from ops.assembly import Resource
from ops.cost.charges.compute import runs_a_month
from ops.cost.usage import Charge, Context, Unknown, Usage, number
from ops.cost.workload import DAYS_A_MONTH

_STANDARD_PERIOD_SECONDS = 60
# Namespaces of services, which are charged with them or not at all.
_AWS = re.compile(r"AWS/|ECS/ContainerInsights|CloudWatchSynthetics|None")


def _log_group(group: Resource, context: Context) -> Iterator[Usage | Unknown]:
    assumed = context.assumptions
    own = assumed.idle_log_gb
    if context.referrers(group, "AWS::ECS::TaskDefinition"):
        own += context.workload.gigabytes(assumed.log_kb)
    vended = Decimal(0)
    if context.referrers(group, "AWS::EC2::FlowLog"):
        vended += assumed.idle_log_gb + context.workload.gigabytes(assumed.flow_log_kb)
    if context.referrers(group, "AWS::WAFv2::LoggingConfiguration"):
        vended += assumed.idle_log_gb + context.workload.gigabytes(assumed.firewall_log_kb)
    if vended:
        yield Usage("collected from AWS services", "vended-logs-gb", vended)
    else:
        yield Usage("collected", "logs-gb", own)
    kept = number(group.get("RetentionInDays")) / DAYS_A_MONTH or assumed.log_months
    yield Usage(
        f"kept for {kept * DAYS_A_MONTH:.0f} days",
        "logs-storage-gb",
        (vended or own) * assumed.log_compression * kept,
    )


def _alarm(alarm: Resource, context: Context) -> Iterator[Usage | Unknown]:
    metrics = [each["MetricStat"] for each in alarm.get("Metrics", default=()) if "MetricStat" in each]
    periods = [number(each.get("Period"), "60") for each in metrics] or [number(alarm.get("Period"), "60")]
    fine = min(periods) < _STANDARD_PERIOD_SECONDS
    price = "high-resolution-alarm-metric" if fine else "alarm-metric"
    # Detecting anomalies takes the metric and the two sides of its band.
    count = len(periods) * 3 if alarm.get("ThresholdMetricId") else len(periods)
    yield Usage("alarm" if count == 1 else f"alarm on {count} metrics", price, Decimal(count))
    earlier = {
        metric
        for other in itertools.takewhile(lambda each: each != alarm, context.of_type(alarm.type))
        for metric in _published(other)
    }
    if own := _published(alarm) - earlier:
        yield Usage("custom metrics that functions publish", "custom-metric", Decimal(len(own)))


def _published(alarm: Resource) -> frozenset[str]:
    """Return the custom metrics of an alarm but those of metric filters, which have no dimensions."""
    stats = [each["MetricStat"] for each in alarm.get("Metrics", default=()) if "MetricStat" in each]
    own = [{name: alarm.get(name) for name in ("Namespace", "MetricName", "Dimensions")}]
    return frozenset(
        json.dumps(each, sort_keys=True)
        for each in own + [stat.get("Metric", {}) for stat in stats]
        if each.get("Dimensions") and not _AWS.match(str(each.get("Namespace")))
    )


def _metric_filter(filters: Resource, _: Context) -> Iterator[Usage | Unknown]:
    count = len(filters.get("MetricTransformations", default=()))
    yield Usage("custom metric", "custom-metric", Decimal(count))


def _scaling_policy(policy: Resource, _: Context) -> Iterator[Usage | Unknown]:
    if policy.get("PolicyType") == "TargetTrackingScaling":
        # Application Auto Scaling makes one alarm for each direction.
        yield Usage("alarms that target tracking makes", "alarm-metric", Decimal(2))


def _composite_alarm(_: Resource, __: Context) -> Iterator[Usage | Unknown]:
    yield Usage("composite alarm", "composite-alarm", Decimal(1))


def _dashboard(_: Resource, __: Context) -> Iterator[Usage | Unknown]:
    yield Usage("dashboard", "dashboard", Decimal(1))


def _canary(canary: Resource, _: Context) -> Iterator[Usage | Unknown]:
    runs = runs_a_month(str(canary.get("Schedule", "Expression", default="")))
    if runs is None:
        yield Unknown("runs", "its schedule is no rate")
        return
    yield Usage(f"{runs:.0f} runs", "canary-run", runs)


CHARGES: dict[str, Charge] = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": _scaling_policy,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _composite_alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::Logs::MetricFilter": _metric_filter,
    "AWS::Synthetics::Canary": _canary,
}
