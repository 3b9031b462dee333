"""The dashboard: golden signals first, then what the service depends on."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_rds as rds
from constructs import Construct

_PERIOD = Duration.minutes(1)


class ServiceDashboard(Construct):
    """One page for the service: traffic, errors, latency, saturation, then database and cache.

    Parameters
    ----------
    name
        Name of the dashboard.
    service, load_balancer, target_group, cluster, cache
        What it shows.

    Attributes
    ----------
    dashboard
        The dashboard.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        service: ecs.FargateService,
        load_balancer: elbv2.ApplicationLoadBalancer,
        target_group: elbv2.ApplicationTargetGroup,
        cluster: rds.IDatabaseCluster,
        cache: elasticache.CfnServerlessCache,
    ) -> None:
        super().__init__(scope, construct_id)
        door, targets = load_balancer.metrics, target_group.metrics
        target_5xx = targets.http_code_target(elbv2.HttpCodeTarget.TARGET_5XX_COUNT, period=_PERIOD)
        load_balancer_5xx = door.http_code_elb(elbv2.HttpCodeElb.ELB_5XX_COUNT, period=_PERIOD)
        latency = [targets.target_response_time(period=_PERIOD, statistic=s) for s in ("p50", "p95", "p99")]
        self.dashboard = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=name)
        self.dashboard.add_widgets(
            _graph("Traffic (requests)", door.request_count(period=_PERIOD)),
            _graph("Errors (5xx)", target_5xx, load_balancer_5xx),
            _graph("Latency (s)", *latency),
            _graph("Saturation (%)", service.metric_cpu_utilization(), service.metric_memory_utilization()),
        )
        self.dashboard.add_widgets(
            _graph("Targets", targets.healthy_host_count(), targets.unhealthy_host_count()),
            _graph("Database capacity (ACU)", _database_metric(cluster, "ServerlessDatabaseCapacity")),
            _graph("Database connections", cluster.metric_database_connections()),
            _graph("Cache", *(_cache_metric(cache, metric) for metric in ("BytesUsedForCache", "Evictions"))),
        )


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=6, height=6)


def _database_metric(cluster: rds.IDatabaseCluster, name: str) -> cloudwatch.Metric:
    dimensions = {"DBClusterIdentifier": cluster.cluster_identifier}
    return cloudwatch.Metric(namespace="AWS/RDS", metric_name=name, dimensions_map=dimensions, period=_PERIOD)


def _cache_metric(cache: elasticache.CfnServerlessCache, name: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/ElastiCache",
        metric_name=name,
        dimensions_map={"clusterId": cache.serverless_cache_name},
        period=_PERIOD,
    )
