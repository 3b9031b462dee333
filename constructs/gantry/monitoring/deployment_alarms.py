"""The alarms that roll a deployment back, and what they leave out."""

import math
from collections.abc import Iterator
from functools import partial

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_logs as logs
from constructs import Construct

from gantry.monitoring.alarm import AlarmDefaults, NotifyingAlarm
from gantry.monitoring.metrics import MINUTE, SHED_REQUESTS, service_namespace, shed_requests
from gantry.monitoring.service_alarms import share_above
from gantry.nag import HIPAA, NIST, acknowledge, shared
from gantry.service.load_balancer import Ingress

_DESCRIPTION = "A deployment that is in progress is rolled back."
_SECTION = "a-deployment-was-rolled-back"


class ShedRequests(logs.MetricFilter):
    """Counts the requests that the service refuses on purpose because it is overloaded.

    The load balancer counts them with all other 5xx; the service's log names them.

    Parameters
    ----------
    log_group
        The service's log.
    name
        The environment's name.
    """

    def __init__(self, scope: Construct, construct_id: str, *, log_group: logs.ILogGroup, name: str) -> None:
        super().__init__(
            scope,
            construct_id,
            log_group=log_group,
            filter_pattern=logs.FilterPattern.boolean_value("$.shed", True),
            metric_namespace=service_namespace(name),
            metric_name=SHED_REQUESTS,
            metric_value="1",
        )


class DeploymentAlarms(Construct):
    """The alarms that roll a deployment back: a share of answers with 5xx, and targets that are not healthy.

    ECS watches metric alarms by name and no composite ones; one on an expression is a metric alarm, too.
    They notify no topic: a deployment that is rolled back fails, and says so.

    Parameters
    ----------
    name, runbook
        The environment's name, which begins the alarms' names; address of the page that describes them.
    ingress
        Whose targets are watched.
    start_time
        How long a new task may be unhealthy.
    server_errors, server_errors_percent
        Answers of 5xx within a minute that are too many, if they are also more than this share of all. What
        the service sheds does not count: a release must be able to follow an overload.

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
        name: str,
        runbook: str,
        ingress: Ingress,
        start_time: Duration,
        server_errors: int,
        server_errors_percent: float,
    ) -> None:
        super().__init__(scope, construct_id)
        self._name = name
        defaults = AlarmDefaults(prefix=f"{name}-deployment", topic=None, runbook=runbook)
        self._alarm = partial(defaults.alarm, self)
        self._start_minutes = math.ceil(start_time.to_minutes(integral=False))
        self._server_errors, self._server_errors_percent = server_errors, server_errors_percent
        self.alarms = [
            alarm
            for name, group in ingress.target_groups.items()
            for alarm in self._watch(group, prefix=f"{name}-" if name else "")
        ]
        acknowledge(
            self,
            "ECS watches these alarms by name and rolls the deployment back: that is their action.",
            *shared("CloudWatchAlarmAction", (NIST, HIPAA)),
        )

    def _watch(self, group: elbv2.IApplicationTargetGroup, *, prefix: str) -> Iterator[NotifyingAlarm]:
        # Of four minutes, three: the shed requests of the newest two may be missing still.
        yield self._alarm(
            f"{prefix}server-errors",
            self._error_share(group),
            self._server_errors_percent,
            _DESCRIPTION,
            section=_SECTION,
            periods=4,
            datapoints=3,
        )
        yield self._alarm(
            f"{prefix}unhealthy-targets",
            group.metrics.unhealthy_host_count(period=MINUTE, statistic="Maximum"),
            1,
            _DESCRIPTION,
            section=_SECTION,
            periods=self._start_minutes + 4,
            comparison=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        )

    def _error_share(self, group: elbv2.IApplicationTargetGroup) -> cloudwatch.MathExpression:
        return cloudwatch.MathExpression(
            expression=share_above(self._server_errors, part="(errors - FILL(shed, 0))", whole="requests"),
            using_metrics={
                "errors": group.metrics.http_code_target(
                    elbv2.HttpCodeTarget.TARGET_5XX_COUNT, period=MINUTE, statistic="Sum"
                ),
                "requests": group.metrics.request_count(period=MINUTE, statistic="Sum"),
                "shed": shed_requests(self._name),
            },
            period=MINUTE,
            label="5xx (%)",
        )
