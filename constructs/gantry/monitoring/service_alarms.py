"""Alarms on the service's golden signals, and the one that pages."""

import math
from collections.abc import Sequence
from functools import partial

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_sns as sns
from aws_cdk.aws_cloudwatch_actions import SnsAction
from constructs import Construct

from gantry.monitoring.alarm import AlarmDefaults, NotifyingAlarm
from gantry.monitoring.metrics import FIVE_MINUTES, MINUTE, service_utilization
from gantry.service.load_balancer import Ingress

_LATENCY_MINUTES = 5
# Of fewer than 10 / (1 - 0.95) answers within the evaluated time a p95 says little:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/percentiles-with-low-samples.html
_LATENCY_REQUESTS_A_MINUTE = 200 // _LATENCY_MINUTES


class ServiceAlarms(Construct):
    """The guide's alarms, CPU, memory, errors and latency, and those on the health of targets.

    Parameters
    ----------
    alarm_defaults
        Names, topic and runbook of the alarms.
    service, ingress
        What is watched.
    start_time
        How long a new task may be unhealthy.
    cpu_percent, memory_percent, latency_seconds
        Above these, for five minutes, an alarm enters ALARM; latency is the 95th percentile.
    server_errors, server_errors_percent
        Answers of 5xx within five minutes that are too many, if they are also more than this share of all.

    Attributes
    ----------
    alarms
        The alarms.
    symptoms
        Those of the alarms that say that users are not served.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alarm_defaults: AlarmDefaults,
        service: ecs.IBaseService,
        ingress: Ingress,
        start_time: Duration,
        cpu_percent: int,
        memory_percent: int,
        latency_seconds: float,
        server_errors: int,
        server_errors_percent: float,
    ) -> None:
        super().__init__(scope, construct_id)
        self._alarm, self._service = partial(alarm_defaults.alarm, self), service
        self._groups = [group.metrics for group in ingress.target_groups.values()]
        self._requests = ingress.request_metrics
        self.symptoms = [
            self._errors(ingress.load_balancer, server_errors, server_errors_percent),
            self._latency(latency_seconds),
            self._no_healthy_targets(),
        ]
        self.alarms = [
            *self.symptoms,
            *self._saturation(cpu_percent, memory_percent),
            self._unhealthy_targets(math.ceil(start_time.to_minutes(integral=False))),
        ]

    def _latency(self, seconds: float) -> NotifyingAlarm:
        """Return the alarm on p95; few slow answers of few are no reason to page.

        Not ``EvaluateLowSampleCountPercentile``: it would keep an alarm in ALARM while few requests come.
        """
        latency = cloudwatch.MathExpression(
            expression=f"IF(requests >= {_LATENCY_REQUESTS_A_MINUTE}, latency, 0)",
            using_metrics={
                "requests": self._requests.request_count(period=MINUTE, statistic="Sum"),
                "latency": self._requests.target_response_time(period=MINUTE, statistic="p95"),
            },
            period=MINUTE,
            label="p95 (s)",
        )
        return self._alarm("latency", latency, seconds, "One answer in twenty is too slow.", periods=5)

    def _saturation(self, cpu_percent: int, memory_percent: int) -> list[NotifyingAlarm]:
        cpu, memory = (service_utilization(self._service, what) for what in ("CPU", "Memory"))
        return [
            self._alarm("cpu", cpu, cpu_percent, "Tasks use nearly all of their CPU.", periods=5),
            self._alarm("memory", memory, memory_percent, "Tasks use nearly all of their memory.", periods=5),
        ]

    def _errors(
        self, load_balancer: elbv2.IApplicationLoadBalancer, count: int, percent: float
    ) -> NotifyingAlarm:
        """Return the alarm on the share of 5xx; few errors of few requests are no outage.

        The load balancer's own 5xx count: without a healthy target there are no others. It does not count
        such requests among those of the target group.
        """
        share = cloudwatch.MathExpression(
            expression=share_above(
                count,
                part="(FILL(errors, 0) + FILL(refused, 0))",
                whole="(FILL(requests, 0) + FILL(refused, 0))",
            ),
            using_metrics={
                "errors": self._requests.http_code_target(
                    elbv2.HttpCodeTarget.TARGET_5XX_COUNT, period=FIVE_MINUTES, statistic="Sum"
                ),
                "refused": load_balancer.metrics.http_code_elb(
                    elbv2.HttpCodeElb.ELB_5XX_COUNT, period=FIVE_MINUTES, statistic="Sum"
                ),
                "requests": self._requests.request_count(period=FIVE_MINUTES, statistic="Sum"),
            },
            period=FIVE_MINUTES,
            label="5xx (%)",
        )
        return self._alarm("errors", share, percent, "Too many requests are answered with 5xx.")

    def _no_healthy_targets(self) -> NotifyingAlarm:
        """Return the alarm on an outage; where no target is registered the load balancer measures nothing."""
        healthy = [group.healthy_host_count(period=MINUTE, statistic="Maximum") for group in self._groups]
        return self._alarm(
            "no-healthy-targets",
            _sum(healthy),
            1,
            "No task serves requests.",
            periods=4,
            datapoints=3,
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            missing=cloudwatch.TreatMissingData.BREACHING,
        )

    def _unhealthy_targets(self, start_minutes: int) -> NotifyingAlarm:
        """Return the alarm on tasks that stay unhealthy: ECS replaces one within a few minutes by itself."""
        unhealthy = [group.unhealthy_host_count(period=MINUTE, statistic="Maximum") for group in self._groups]
        return self._alarm(
            "unhealthy-targets",
            _sum(unhealthy),
            1,
            "Tasks are unhealthy, and replacing them does not help.",
            periods=start_minutes + 14,
            datapoints=start_minutes + 11,
            comparison=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        )


def share_above(count: int, *, part: str, whole: str) -> str:
    """Return the expression of a share in percent, which is 0 unless the part is above a count.

    A share alone says little of few, and anyone who can send requests can raise a count.
    """
    return f"IF({part} > {count}, 100 * {part} / {whole}, 0)"


def _sum(metrics: Sequence[cloudwatch.Metric]) -> cloudwatch.IMetric:
    """Return the sum of metrics, to which one without data adds nothing: an empty target group has none.

    Data may come minutes late, and then ``FILL`` makes up the newest points, so that an alarm must not want
    all of its periods:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html (FILL)
    """
    if len(metrics) == 1:
        return metrics[0]
    names = {f"m{index}": metric for index, metric in enumerate(metrics)}
    expression = " + ".join(f"FILL({name}, 0)" for name in names)
    return cloudwatch.MathExpression(expression=expression, using_metrics=names, period=MINUTE)


class ServiceUnhealthy(cloudwatch.CompositeAlarm):
    """The one alarm that pages: users are not served, whatever the cause.

    Parameters
    ----------
    alarm_defaults
        Name, topic and runbook.
    symptoms
        It is in ALARM while any of these is.
    page_topic
        Paging topic: the person on call is notified.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alarm_defaults: AlarmDefaults,
        symptoms: Sequence[cloudwatch.IAlarm],
        page_topic: sns.ITopic,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            composite_alarm_name=f"{alarm_defaults.prefix}-service-unhealthy",
            alarm_description=f"Users are not served. What to do: {alarm_defaults.runbook}#service-unhealthy",
            alarm_rule=cloudwatch.AlarmRule.any_of(
                *(cloudwatch.AlarmRule.from_alarm(alarm, cloudwatch.AlarmState.ALARM) for alarm in symptoms)
            ),
        )
        self.add_alarm_action(SnsAction(page_topic))
        self.add_ok_action(SnsAction(page_topic))
