"""Alarms on the service's golden signals."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_sns as sns
from aws_cdk.aws_cloudwatch_actions import SnsAction
from constructs import Construct

from gantry.nag import HIPAA, NIST, acknowledge, shared

_MINUTE = Duration.minutes(1)


class DeploymentAlarms(Construct):
    """The alarms that roll a deployment back: answers of 5xx, and targets that are not healthy.

    They are metric alarms with names of their own, because ECS watches alarms by name and no composite ones.

    Parameters
    ----------
    name_prefix
        Begins the alarms' names.
    target_group
        Whose targets are watched.
    server_errors
        Answers of 5xx within a minute that are too many.

    Attributes
    ----------
    alarms
        The alarms.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name_prefix: str,
        target_group: elbv2.ApplicationTargetGroup,
        server_errors: int,
    ) -> None:
        super().__init__(scope, construct_id)
        metrics = target_group.metrics
        errors = metrics.http_code_target(
            elbv2.HttpCodeTarget.TARGET_5XX_COUNT, period=_MINUTE, statistic="Sum"
        )
        unhealthy = metrics.unhealthy_host_count(period=_MINUTE, statistic="Maximum")
        self.alarms = [
            self._alarm("ServerErrors", f"{name_prefix}-server-errors", errors, server_errors, minutes=2),
            self._alarm("UnhealthyTargets", f"{name_prefix}-unhealthy-targets", unhealthy, 1, minutes=5),
        ]
        acknowledge(
            self,
            "ECS watches these alarms by name and rolls the deployment back: that is their action.",
            *shared("CloudWatchAlarmAction", (NIST, HIPAA)),
        )

    def _alarm(
        self, construct_id: str, name: str, metric: cloudwatch.Metric, threshold: int, *, minutes: int
    ) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            construct_id,
            alarm_name=name,
            alarm_description="A deployment that is in progress is rolled back.",
            metric=metric,
            threshold=threshold,
            evaluation_periods=minutes,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )


class ServiceAlarms(Construct):
    """The guide's alarms: CPU, memory, errors and latency, each telling the alert topic.

    Parameters
    ----------
    name_prefix
        Begins the alarms' names.
    topic
        Hears of every change of state.
    service, target_group
        What is watched.
    cpu_percent, memory_percent, latency_seconds, server_errors
        Above these, for five minutes, an alarm rings; latency is the 95th percentile.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name_prefix: str,
        topic: sns.ITopic,
        service: ecs.FargateService,
        target_group: elbv2.ApplicationTargetGroup,
        cpu_percent: int,
        memory_percent: int,
        latency_seconds: float,
        server_errors: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self._prefix, self._topic = name_prefix, topic
        targets = target_group.metrics
        errors = targets.http_code_target(
            elbv2.HttpCodeTarget.TARGET_5XX_COUNT, period=Duration.minutes(5), statistic="Sum"
        )
        self._alarm("cpu", service.metric_cpu_utilization(period=_MINUTE), cpu_percent, minutes=5)
        self._alarm("memory", service.metric_memory_utilization(period=_MINUTE), memory_percent, minutes=5)
        latency = targets.target_response_time(period=_MINUTE, statistic="p95")
        self._alarm("latency", latency, latency_seconds, minutes=5)
        self._alarm("errors", errors, server_errors, minutes=1)

    def _alarm(self, name: str, metric: cloudwatch.Metric, threshold: float, *, minutes: int) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name.capitalize(),
            alarm_name=f"{self._prefix}-{name}",
            metric=metric,
            threshold=threshold,
            evaluation_periods=minutes,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(SnsAction(self._topic))
        alarm.add_ok_action(SnsAction(self._topic))
