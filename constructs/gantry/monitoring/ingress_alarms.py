"""Alarms on what requests pass before they reach the service, and on the way out."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from gantry.monitoring import metrics
from gantry.monitoring.alarm import AlarmDefaults, NotifyingAlarm
from gantry.monitoring.metrics import FIVE_MINUTES, FirewallMetrics
from gantry.monitoring.service_alarms import share_above

# ACM renews its own certificates from 60 days before they expire, and imported ones never:
# https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html
_DAYS_TO_EXPIRY = 30


class CertificateAlarm(NotifyingAlarm):
    """Enters ALARM a month before a given certificate expires, since ACM renews no imported one.

    ACM publishes twice a day, and nothing more of a certificate that has expired.

    Parameters
    ----------
    alarm_defaults
        Name, topic and runbook.
    certificate_arn
        The certificate.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, alarm_defaults: AlarmDefaults, certificate_arn: str
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            name="certificate-expires",
            alarm_defaults=alarm_defaults,
            description=f"The certificate expires in less than {_DAYS_TO_EXPIRY} days.",
            metric=metrics.days_to_expiry(certificate_arn),
            threshold=_DAYS_TO_EXPIRY,
            periods=1,
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            missing=cloudwatch.TreatMissingData.BREACHING,
            warm_up=Duration.days(2),
        )


class BlockedRequestsAlarm(NotifyingAlarm):
    """Enters ALARM when the firewall blocks much of the traffic: an attack, or a rule that blocks users.

    Parameters
    ----------
    alarm_defaults
        Name, topic and runbook.
    firewall
        Metrics of the web ACL.
    count, percent
        Requests blocked within five minutes that are too many, if they are also more than this share of all.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alarm_defaults: AlarmDefaults,
        firewall: FirewallMetrics,
        count: int,
        percent: float,
    ) -> None:
        blocked, allowed = (
            firewall(f"{action}Requests", period=FIVE_MINUTES) for action in ("Blocked", "Allowed")
        )
        share = cloudwatch.MathExpression(
            expression=share_above(count, part="blocked", whole="(blocked + FILL(allowed, 0))"),
            using_metrics={"blocked": blocked, "allowed": allowed},
            period=FIVE_MINUTES,
            label="blocked (%)",
        )
        super().__init__(
            scope,
            construct_id,
            name="blocked-requests",
            alarm_defaults=alarm_defaults,
            description="The firewall blocks much of the traffic.",
            metric=share,
            threshold=percent,
            periods=1,
        )


class PortAllocationAlarm(NotifyingAlarm):
    """Enters ALARM when a NAT gateway has no port left for a connection, which then fails.

    https://docs.aws.amazon.com/vpc/latest/userguide/metrics-dimensions-nat-gateway.html

    Parameters
    ----------
    alarm_defaults
        Name, topic and runbook.
    gateways
        The NAT gateways.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alarm_defaults: AlarmDefaults,
        gateways: Sequence[ec2.CfnNatGateway],
    ) -> None:
        failed = {f"nat{index}": metrics.failed_port_allocations(each) for index, each in enumerate(gateways)}
        super().__init__(
            scope,
            construct_id,
            name="nat-port-allocation",
            alarm_defaults=alarm_defaults,
            description="A NAT gateway had no port left for new connections.",
            metric=cloudwatch.MathExpression(
                expression="SUM(METRICS())", using_metrics=failed, period=FIVE_MINUTES, label="failed"
            ),
            threshold=0,
            periods=3,
            datapoints=2,
        )
