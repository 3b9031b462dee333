"""Metrics that AWS publishes of what the platform is made of, with the dimensions that they are kept under.

Only what the CDK's own constructs offer no method for. Names and dimensions are AWS's, but for
those of rotations and restore tests, which the functions of `lambdas/` publish:

- https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.AuroraMonitoring.Metrics.html
- https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/serverless-metrics-events-redis.html
- https://docs.aws.amazon.com/AmazonECS/latest/developerguide/Container-Insights-metrics-ECS.html
- https://docs.aws.amazon.com/waf/latest/developerguide/waf-metrics.html
- https://docs.aws.amazon.com/aws-backup/latest/devguide/cloudwatch.html
- https://docs.aws.amazon.com/vpc/latest/userguide/metrics-dimensions-nat-gateway.html
- https://docs.aws.amazon.com/acm/latest/userguide/cloudwatch-metrics.html
"""

from dataclasses import dataclass
from typing import Literal

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_rds as rds

from contract import metrics as published
from gantry.cache.valkey import ICache

MINUTE = Duration.minutes(1)
FIVE_MINUTES = Duration.minutes(5)
DAY = Duration.days(1)
SHED_REQUESTS = "ShedRequests"


@dataclass(frozen=True)
class DatabaseMetrics:
    """Metrics of an Aurora cluster: of all its instances together, or of those that have a role.

    What is asked of the cluster survives failovers and changes of its instances.
    """

    cluster: rds.IDatabaseCluster

    def __call__(
        self,
        name: str,
        statistic: str = "Average",
        *,
        role: Literal["WRITER", "READER"] | None = None,
        label: str | None = None,
        period: Duration = MINUTE,
    ) -> cloudwatch.Metric:
        """Return a metric of the cluster."""
        return cloudwatch.Metric(
            namespace="AWS/RDS",
            metric_name=name,
            dimensions_map={"DBClusterIdentifier": self.cluster.cluster_identifier}
            | ({"Role": role} if role else {}),
            statistic=statistic,
            period=period,
            label=label,
        )

    def by_role(self, name: str, statistic: str = "Average") -> list[cloudwatch.IMetric]:
        """Return a metric of the writer, and of the readers."""
        return [
            self(name, statistic, role="WRITER", label="writer"),
            self(name, statistic, role="READER", label="readers"),
        ]


@dataclass(frozen=True)
class CacheMetrics:
    """Metrics of a serverless cache."""

    cache: ICache

    def __call__(
        self, name: str, statistic: str = "Average", *, label: str | None = None
    ) -> cloudwatch.Metric:
        """Return a metric of the cache."""
        return cloudwatch.Metric(
            namespace="AWS/ElastiCache",
            metric_name=name,
            dimensions_map={"clusterId": self.cache.name},
            statistic=statistic,
            period=MINUTE,
            label=label,
        )


def service_utilization(
    service: ecs.IBaseService, what: Literal["CPU", "Memory"], *, label: str | None = None
) -> cloudwatch.Metric:
    """Return how much of its tasks' CPU or memory a service uses, in percent."""
    return cloudwatch.Metric(
        namespace="AWS/ECS",
        metric_name=f"{what}Utilization",
        dimensions_map={"ClusterName": service.cluster.cluster_name, "ServiceName": service.service_name},
        statistic="Average",
        period=MINUTE,
        label=label,
    )


def task_count(service: ecs.IBaseService, name: str, label: str) -> cloudwatch.Metric:
    """Return a metric of Container Insights that counts a service's tasks."""
    return cloudwatch.Metric(
        namespace="ECS/ContainerInsights",
        metric_name=name,
        dimensions_map={"ClusterName": service.cluster.cluster_name, "ServiceName": service.service_name},
        statistic="Average",
        period=MINUTE,
        label=label,
    )


@dataclass(frozen=True)
class FirewallMetrics:
    """Metrics of a regional web ACL, which has a name of its own there."""

    web_acl_name: str
    region: str

    def __call__(
        self, name: str, *, label: str | None = None, period: Duration = MINUTE
    ) -> cloudwatch.Metric:
        """Return how many requests the web ACL dealt with in one way."""
        return cloudwatch.Metric(
            namespace="AWS/WAFV2",
            metric_name=name,
            dimensions_map={"Region": self.region, "Rule": "ALL", "WebACL": self.web_acl_name},
            statistic="Sum",
            period=period,
            label=label,
        )


def failed_port_allocations(gateway: ec2.CfnNatGateway) -> cloudwatch.Metric:
    """Return how many connections a NAT gateway had no port for."""
    return cloudwatch.Metric(
        namespace="AWS/NATGateway",
        metric_name="ErrorPortAllocation",
        dimensions_map={"NatGatewayId": gateway.attr_nat_gateway_id},
        statistic="Sum",
        period=FIVE_MINUTES,
    )


def days_to_expiry(certificate_arn: str) -> cloudwatch.Metric:
    """Return the days until a certificate expires."""
    return cloudwatch.Metric(
        namespace="AWS/CertificateManager",
        metric_name="DaysToExpiry",
        dimensions_map={"CertificateArn": certificate_arn},
        statistic="Minimum",
        period=DAY,
    )


def service_namespace(name: str) -> str:
    """Return the namespace of what the log of an environment's service counts; a filter sets no dimension."""
    return f"Gantry/{name}"


def shed_requests(name: str) -> cloudwatch.Metric:
    """Return how many requests an environment's service refused on purpose because it was overloaded."""
    return cloudwatch.Metric(
        namespace=service_namespace(name), metric_name=SHED_REQUESTS, statistic="Sum", period=MINUTE
    )


def backup_jobs(vault_name: str, name: str, label: str) -> cloudwatch.Metric:
    """Return how many backup jobs of a vault came to one end in a day."""
    return cloudwatch.Metric(
        namespace="AWS/Backup",
        metric_name=name,
        dimensions_map={"BackupVaultName": vault_name},
        statistic="Sum",
        period=DAY,
        label=label,
    )


def rotation(secret_name: str, name: str, *, period: Duration, label: str | None = None) -> cloudwatch.Metric:
    """Return a metric of a secret that the function which rotates it publishes."""
    return cloudwatch.Metric(
        namespace=published.NAMESPACE,
        metric_name=name,
        dimensions_map={"service": published.ROTATION, published.ROTATION_DIMENSION: secret_name},
        statistic="Maximum",
        period=period,
        label=label,
    )


def restore_test(plan_name: str, name: str, *, label: str | None = None) -> cloudwatch.Metric:
    """Return a metric of a restore testing plan that the function which queries restored data publishes."""
    return cloudwatch.Metric(
        namespace=published.NAMESPACE,
        metric_name=name,
        dimensions_map={"service": published.RESTORE_TEST, published.RESTORE_TEST_DIMENSION: plan_name},
        statistic="Maximum",
        period=Duration.hours(1),
        label=label,
    )
