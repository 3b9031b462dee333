"""Rules for every alarm of every variant, and scenarios for the alarms that page or roll back.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation-window.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-warm-up.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/percentiles-with-low-samples.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html (FILL)
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TypeAlias

import pytest

from tests.aws.cloudwatch import Alarm, Metric
from tests.infrastructure.synthesis import ENVIRONMENTS, Synthesised, Synthesiser
from tests.infrastructure.variants import SWITCHED_ON

CANARY: dict[str, object] = {"deployment.alternate_target_group": True, "deployment.strategy": "canary"}
SERVING: tuple[dict[str, object], ...] = ({}, CANARY)
VARIANTS = (*((name, {}) for name in ENVIRONMENTS), *SWITCHED_ON, ("prod", CANARY))
# The dimensions of metrics, as the pages say that gantry/monitoring/metrics.py names, and these:
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Synthetics_Canaries_metrics.html
PUBLISHED = """
AWS/ApplicationELB LoadBalancer,TargetGroup RequestCount TargetResponseTime HTTPCode_Target_5XX_Count
AWS/ApplicationELB LoadBalancer RequestCount TargetResponseTime HTTPCode_Target_5XX_Count
AWS/ApplicationELB LoadBalancer HTTPCode_ELB_5XX_Count
AWS/ApplicationELB LoadBalancer,TargetGroup HealthyHostCount UnHealthyHostCount
AWS/ECS ClusterName,ServiceName CPUUtilization MemoryUtilization
AWS/RDS DBClusterIdentifier ACUUtilization DatabaseConnections MaximumUsedTransactionIDs
AWS/RDS DBClusterIdentifier AuroraReplicaLagMaximum
AWS/ElastiCache clusterId BytesUsedForCache Evictions ThrottledCmds
AWS/Backup BackupVaultName NumberOfBackupJobsCompleted
AWS/CertificateManager CertificateArn DaysToExpiry
AWS/NATGateway NatGatewayId ErrorPortAllocation
AWS/WAFV2 Region,Rule,WebACL AllowedRequests BlockedRequests
AWS/Lambda FunctionName Errors
AWS/SQS QueueName ApproximateNumberOfMessagesVisible
CloudWatchSynthetics CanaryName SuccessPercent
Gantry Secret,service DaysSinceRotation HoursPreviousCredentialActive
Gantry Plan,service RestoreTestFailed DaysSinceRestoreTest HoursRestoredClusterKept
"""
EXISTING = {
    (f"{namespace} {name}", dimensions)
    for namespace, dimensions, *names in map(str.split, PUBLISHED.strip().splitlines())
    for name in names
}
CALENDAR = {60, 300, 3600, 86400, 604800}
_PERCENTILE = re.compile(r"p([\d.]+)")
_ERRORS = re.compile(r"HTTPCode_\w+_5XX|BlockedRequests")


def alarms(platform: Synthesised) -> list[Alarm]:
    return [Alarm(each.properties) for each in platform.of_type("AWS::CloudWatch::Alarm")]


def filtered(platform: Synthesised) -> set[tuple[str, str]]:
    """Return the metrics that filters of logs publish, which have no dimensions."""
    return {
        (f"{each['MetricNamespace']} {each['MetricName']}", "")
        for found in platform.of_type("AWS::Logs::MetricFilter")
        for each in found.get("MetricTransformations")
    }


def problems(alarm: Alarm, existing: set[tuple[str, str]]) -> Iterator[str]:
    calendar = "WallClockWindow" in alarm.properties.get("EvaluationWindow", {})
    few = alarm.properties["ComparisonOperator"].startswith("LessThan")
    for metric in alarm.metrics:
        if (metric.name, ",".join(sorted(metric.dimensions))) not in existing:
            yield f"nothing publishes {metric.name} by {sorted(metric.dimensions)}"
        if few and metric.statistic == "Sum" and not calendar:
            yield "wants something to come in every period of a window that slides"
        if _ERRORS.search(metric.name) and not re.search(
            r"IF\(.+ > \d+, 100 \* .+ / .+, 0\)", alarm.expression
        ):
            yield "counts what anyone can send, and is no share above a floor"
        if percentile := _PERCENTILE.fullmatch(metric.statistic):
            floor = re.search(r"IF\(requests >= (\d+), ", alarm.expression)
            samples, enough = int(floor[1]) * alarm.of if floor else 0, 10 / (1 - float(percentile[1]) / 100)
            if samples < round(enough):
                yield f"evaluates {metric.statistic} of {samples} samples"
        if "FILL" in alarm.expression and alarm.datapoints == alarm.of and metric.period < 300:
            yield "wants all periods, though FILL makes up the newest ones"
        if calendar and metric.period not in CALENDAR:
            yield f"has no calendar period: {metric.period}"
    if len({metric.period for metric in alarm.metrics}) > 1:
        yield "compares periods of different lengths"
    warm_up = alarm.properties.get("WarmUpConfiguration", {})
    if warm_up and not 1 <= warm_up["WarmUpPeriodDurationInMinutes"] <= 2880:
        yield "warms up for longer than two days"


@pytest.mark.parametrize(("environment", "overrides"), VARIANTS)
def test_every_alarm_evaluates_what_it_is_about(
    synthesise: Synthesiser, environment: str, overrides: dict[str, object]
) -> None:
    platform = synthesise(environment, overrides)
    existing = EXISTING | filtered(platform)
    found = {alarm.name: [*problems(alarm, existing)] for alarm in alarms(platform)}
    assert {name: each for name, each in found.items() if each} == {}


Values: TypeAlias = Callable[[int], float | None]


def always(value: float | None) -> Values:
    return lambda _: value


def during(value: float | None, otherwise: float | None = None, *, minutes: int = 30) -> Values:
    return lambda minute: value if 60 <= minute < 60 + minutes else otherwise


USUAL = {
    "HealthyHostCount": always(3), "UnHealthyHostCount": always(0),
    "RequestCount": always(600), "TargetResponseTime": always(0.1),
}  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """What metrics say by the minute, other than usually, and the alarms that then enter ALARM.

    The alternate target group is empty unless it says something. Data arrive `lag` minutes late.
    """

    alarms: set[str]
    data: dict[str, Values] = field(default_factory=dict)
    alternate: dict[str, Values] = field(default_factory=dict)
    lag: int = 0

    @cached_property
    def _first(self) -> dict[str, Values]:
        return USUAL | self.data

    def value(self, metric: Metric, minute: int, now: int) -> float | None:
        if minute >= now - self.lag:
            return None
        second = "Alternate" in str(metric.dimensions.get("TargetGroup"))
        found = (self.alternate if second else self._first).get(metric.name.split()[1])
        return found(minute) if found else None


COUNT, REFUSED, SHED = "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count", "ShedRequests"
NONE = {name: during(None, usual(0)) for name, usual in USUAL.items()}
SCENARIOS = {
    "quiet, each request slow": Scenario(set(), {"RequestCount": always(1), "TargetResponseTime": always(9)}),
    "quiet, a few errors": Scenario(set(), {"RequestCount": always(1), COUNT: during(5, minutes=1)}),
    "quiet, twenty bad requests twice": Scenario({"errors"}, {COUNT: during(20, minutes=2)}),
    "busy, 0.02 % of errors": Scenario(set(), {"RequestCount": always(60_000), COUNT: always(12)}),
    "busy, slow": Scenario({"latency"}, {"TargetResponseTime": during(3, 0.1)}),
    "busy, sheds half": Scenario({"errors"}, {COUNT: during(300), SHED: during(300)}),
    "late data": Scenario(set(), lag=2),
    "late count of what was shed": Scenario({"errors"}, {COUNT: during(300), SHED: during(300)}, lag=1),
    "late, all targets fail": Scenario({"no-healthy-targets"}, {"HealthyHostCount": during(0, 3)}, lag=2),
    "outage, no target": Scenario({"no-healthy-targets", "errors"}, NONE | {REFUSED: during(600)}),
    "deployment in progress, bad": Scenario({"errors", "deployment-server-errors"}, {COUNT: during(100)}),
    "deployment in progress, unhealthy": Scenario(
        {"deployment-unhealthy-targets"}, {"UnHealthyHostCount": during(1, 0)}
    ),
}  # fmt: skip
# With a second target group: traffic moves to it, and what then is to be seen of it.
MOVING = {
    "traffic moves": Scenario(set(), NONE, {"HealthyHostCount": during(3), "UnHealthyHostCount": during(0)}),
    "traffic moved, late data": Scenario(
        set(), dict.fromkeys(USUAL, always(None)), {"HealthyHostCount": always(3)}, lag=2
    ),
    "traffic moved, outage": Scenario(
        {"no-healthy-targets"}, dict.fromkeys(USUAL, always(None)), {"HealthyHostCount": during(0, 3)}
    ),
    "traffic moved, bad release": Scenario(
        {"deployment-alternate-server-errors"}, {}, {"RequestCount": always(600), COUNT: during(100)}
    ),
}  # fmt: skip


def acting(platform: Synthesised) -> list[Alarm]:
    """Return the alarms that page, by the composite one, or roll a deployment back."""
    composite = platform.only("AWS::CloudWatch::CompositeAlarm")
    service = platform.only("AWS::ECS::Service")
    names = service.get("DeploymentConfiguration", "Alarms", "AlarmNames")
    found = [
        *platform.assembly.referents(composite, composite.get("AlarmRule")),
        *platform.assembly.referents(service, names),
    ]
    return [Alarm(each.properties) for each in found if each.get("Namespace") != "CloudWatchSynthetics"]


@pytest.mark.parametrize("zero", [True, False], ids=["missing is 0", "missing is missing"])
@pytest.mark.parametrize("overrides", SERVING, ids=["one group", "two groups"])
def test_alarms_that_page_or_roll_back_do_so_when_they_must(
    synthesise: Synthesiser, overrides: dict[str, object], *, zero: bool
) -> None:
    platform = synthesise("prod", overrides)
    prefix, watching = f"{platform.settings.full_name}-", acting(platform)
    scenarios = SCENARIOS | MOVING if overrides else SCENARIOS
    for title, scenario in scenarios.items():
        alarmed = {
            alarm.name.removeprefix(prefix)
            for now in range(40, 100)
            for alarm in watching
            if alarm.enters_alarm(partial(scenario.value, now=now), now, zero=zero)
        }
        assert alarmed == scenario.alarms, title


def test_backup_is_missed_by_the_day_of_its_plan(synthesise: Synthesiser) -> None:
    """The window's time zone is the schedule's, UTC, and the backup is complete before midnight."""
    platform = synthesise("prod")
    (overdue,) = [each for each in alarms(platform) if each.name.endswith("backup-overdue")]
    assert overdue.properties["EvaluationWindow"] == {"WallClockWindow": {"Timezone": "UTC"}}
    rules = platform.only("AWS::Backup::BackupPlan").get("BackupPlan", "BackupPlanRule")
    (daily,) = [each for each in rules if "* * ? *" in each["ScheduleExpression"]]
    assert "ScheduleExpressionTimezone" not in daily
    minute, hour = re.findall(r"\d+", daily["ScheduleExpression"])
    assert (
        int(hour) * 60 + int(minute) + daily["StartWindowMinutes"] + daily["CompletionWindowMinutes"] < 1440
    )


def test_credential_may_stay_as_long_as_a_deployment_waits(synthesise: Synthesiser) -> None:
    platform = synthesise("prod", CANARY | {"deployment.bake_minutes": 600, "deployment.step_minutes": 30})
    limits = {
        each.properties["Threshold"]
        for each in alarms(platform)
        if each.name.endswith("-previous-credential-active")
    }
    assert limits == {1 + 1 + 11}  # the steps, a deployment, and what it waits
