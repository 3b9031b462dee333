"""What the dashboard shows of each part of the platform."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_rds as rds
from aws_cdk import aws_synthetics as synthetics

from contract import dashboard
from contract import metrics as published
from gantry.cache.valkey import ICache
from gantry.monitoring import metrics
from gantry.monitoring.dashboard import Graph, Section, Text
from gantry.monitoring.metrics import MINUTE, CacheMetrics, DatabaseMetrics, FirewallMetrics
from gantry.service.load_balancer import Ingress

_BYTES_A_GB = 1024**3
_COSTS = """### Cost
What the settings say it should cost, and what a change of them would: `./gantry cost`

What it does cost, by the tags `application`, `environment` and `layer`:
[Cost Explorer](https://console.aws.amazon.com/cost-management/home#/cost-explorer)

What it may: [Budgets](https://console.aws.amazon.com/costmanagement/home#/budgets)
"""


def golden_signals(
    *,
    service: ecs.IBaseService,
    ingress: Ingress,
    cpu_percent: int,
    memory_percent: int,
    latency_seconds: float,
) -> Section:
    """Return traffic, errors, latency and saturation; the limits are those of the alarms."""
    targets, balancer = ingress.request_metrics, ingress.load_balancer.metrics
    latencies = [
        targets.target_response_time(period=MINUTE, statistic=statistic, label=statistic)
        for statistic in ("p50", "p95", "p99")
    ]
    errors = [
        targets.http_code_target(
            elbv2.HttpCodeTarget.TARGET_5XX_COUNT, period=MINUTE, label="by the service"
        ),
        balancer.http_code_elb(elbv2.HttpCodeElb.ELB_5XX_COUNT, period=MINUTE, label="by the load balancer"),
    ]
    return Section(
        title="Golden signals",
        rows=[
            [
                Graph(title=dashboard.TRAFFIC, left=[balancer.request_count(period=MINUTE)]),
                Graph(title=dashboard.ERRORS, left=errors),
                Graph(title=dashboard.LATENCY, left=latencies, limits={"alarm on p95": latency_seconds}),
                Graph(
                    title=dashboard.SATURATION,
                    left=[
                        metrics.service_utilization(service, "CPU", label="CPU"),
                        metrics.service_utilization(service, "Memory", label="memory"),
                    ],
                    limits=_same({"alarm on CPU": cpu_percent, "alarm on memory": memory_percent}),
                    percent=True,
                ),
            ]
        ],
    )


def _same(limits: dict[str, float]) -> dict[str, float]:
    """Return limits with those that are equal drawn once."""
    return {"alarm": next(iter(limits.values()))} if len(set(limits.values())) == 1 else limits


def tasks(
    *,
    service: ecs.IBaseService,
    ingress: Ingress,
    canary: synthetics.Canary | None,
) -> Section:
    """Return how many tasks there are and should be, and how they are reached."""
    targets, balancer = ingress.request_metrics, ingress.load_balancer.metrics
    groups = {f" ({name})" if name else "": group for name, group in ingress.target_groups.items()}
    row = [
        Graph(
            title="Tasks",
            left=[
                metrics.task_count(service, "DesiredTaskCount", "desired"),
                metrics.task_count(service, "RunningTaskCount", "running"),
                metrics.task_count(service, "PendingTaskCount", "pending"),
            ],
        ),
        Graph(
            title="Targets",
            left=[
                metric
                for name, group in groups.items()
                for metric in (
                    group.metrics.healthy_host_count(
                        period=MINUTE, statistic="Maximum", label=f"healthy{name}"
                    ),
                    group.metrics.unhealthy_host_count(
                        period=MINUTE, statistic="Maximum", label=f"unhealthy{name}"
                    ),
                )
            ],
        ),
        Graph(
            title="Connections (a minute)",
            left=[balancer.new_connection_count(period=MINUTE, label="new")],
            right=[
                balancer.rejected_connection_count(period=MINUTE, label="rejected"),
                targets.target_connection_error_count(period=MINUTE, label="not accepted by a task"),
            ],
        ),
    ]
    if canary is not None:
        row.append(
            Graph(
                title="From outside: success (%), duration (ms)",
                left=[canary.metric_success_percent(statistic="Average", label="success")],
                right=[canary.metric_duration(statistic="Average", label="duration")],
                percent=True,
            )
        )
    return Section(title="Service", rows=[row])


def database(cluster: rds.IDatabaseCluster, *, max_capacity: float, max_connections: int) -> Section:
    """Return what the database has, what it uses of it, and what its users wait for."""
    of = DatabaseMetrics(cluster)
    lag = of("AuroraReplicaLagMaximum", "Maximum", label="replica lag")
    return Section(
        title="Database (Aurora PostgreSQL)",
        rows=[
            [
                Graph(title="Capacity (ACU)", left=of.by_role("ServerlessDatabaseCapacity", "Maximum"),
                      limits={"limit": max_capacity}),
                Graph(title="Connections", left=of.by_role("DatabaseConnections", "Maximum"),
                      limits={"limit": max_connections}),
                Graph(title="CPU (% of the limit)", left=of.by_role("CPUUtilization", "Maximum"),
                      percent=True),
                Graph(title="Latency of a commit, replica lag (ms)",
                      left=[of("CommitLatency", role="WRITER", label="commit"), lag]),
            ],
            [
                Graph(title="Free memory (bytes)",
                      left=of.by_role("FreeableMemory", "Minimum")),
                Graph(title="Reads from memory (%)", left=of.by_role("BufferCacheHitRatio", "Minimum"),
                      percent=True),
                Graph(title="Deadlocks, age of transaction ids",
                      left=[of("Deadlocks", "Maximum", label="deadlocks")],
                      right=[of("MaximumUsedTransactionIDs", "Maximum", label="transaction ids")]),
                Graph(title="Storage (bytes), I/O in five minutes",
                      left=[of("VolumeBytesUsed", label="stored", period=metrics.FIVE_MINUTES)],
                      right=[of("VolumeReadIOPs", label="reads", period=metrics.FIVE_MINUTES),
                             of("VolumeWriteIOPs", label="writes", period=metrics.FIVE_MINUTES)]),
            ],
        ],
    )  # fmt: skip


def cache(cache: ICache, *, max_data_gb: int, max_ecpu_per_second: int) -> Section:
    """Return what the cache holds and does, against its limits, and what it refuses."""
    of = CacheMetrics(cache)
    return Section(
        title="Cache (Valkey)",
        rows=[
            [
                Graph(title="Stored (bytes)", left=[of("BytesUsedForCache", "Maximum", label="stored")],
                      limits={"limit": max_data_gb * _BYTES_A_GB}),
                Graph(title="Processing units (a minute)",
                      left=[of("ElastiCacheProcessingUnits", "Sum", label="ECPU")],
                      limits={"limit": max_ecpu_per_second * 60}),
                Graph(title="Hits (%), evictions, refused commands",
                      left=[of("CacheHitRate", label="hits")],
                      right=[of("Evictions", "Sum", label="evictions"),
                             of("ThrottledCmds", "Sum", label="refused")],
                      percent=True),
                Graph(title="Latency (µs), connections",
                      left=[of("SuccessfulReadRequestLatency", label="read"),
                            of("SuccessfulWriteRequestLatency", label="write")],
                      right=[of("CurrConnections", "Maximum", label="connections")]),
            ]
        ],
    )  # fmt: skip


def ingress(*, firewall: FirewallMetrics, load_balancer: elbv2.IApplicationLoadBalancer) -> Section:
    """Return what the firewall refuses, and what leaves through NAT gateways.

    The gateways are searched for, and so are all of the region: their ids would tie this stack to the network
    so that none of them could be removed.
    """
    balancer = load_balancer.metrics
    blocked = f'MetricName="BlockedRequests" WebACL="{firewall.web_acl_name}" NOT Rule="ALL"'
    by_rule = _search(f"{{AWS/WAFV2,Region,Rule,WebACL}} {blocked}", "${PROP('Dim.Rule')}")
    return Section(
        title="Load balancer, firewall and NAT",
        rows=[
            [
                Graph(
                    title="Firewall (requests a minute)",
                    left=[
                        firewall("AllowedRequests", label="allowed"),
                        firewall("BlockedRequests", label="refused"),
                    ],
                ),
                Graph(title="Refused by rule (a minute)", left=[by_rule]),
                Graph(
                    title="Answers of 4xx (a minute)",
                    left=[
                        balancer.http_code_target(
                            elbv2.HttpCodeTarget.TARGET_4XX_COUNT, period=MINUTE, label="by the service"
                        ),
                        balancer.http_code_elb(
                            elbv2.HttpCodeElb.ELB_4XX_COUNT, period=MINUTE, label="by the load balancer"
                        ),
                    ],
                ),
                Graph(
                    title="NAT gateways of the region (bytes, port errors)",
                    left=[_nat("BytesOutToDestination")],
                    right=[_nat("ErrorPortAllocation")],
                ),
            ]
        ],
    )


def _nat(name: str) -> cloudwatch.IMetric:
    return _search(
        f'{{AWS/NATGateway,NatGatewayId}} MetricName="{name}"', f"{name} ${{PROP('Dim.NatGatewayId')}}"
    )


def _search(query: str, label: str) -> cloudwatch.IMetric:
    return cloudwatch.SearchExpression(expression=f"SEARCH('{query}', 'Sum', 60)", label=label, period=MINUTE)


def upkeep(
    *,
    secrets: Mapping[str, str],
    cluster: rds.IDatabaseCluster,
    backup_vault: str | None,
    restore_test_plan: str | None,
) -> Section:
    """Return how old secrets and backups are, and where costs are shown.

    Costs are words: CloudWatch has them in us-east-1 alone, for the whole account, and only after
    billing alerts were switched on.
    """
    hour = Duration.hours(1)
    ages = [
        metrics.rotation(name, published.DAYS_SINCE_ROTATION, period=hour, label=label)
        for label, name in secrets.items()
    ]
    if restore_test_plan is not None:
        ages.append(
            metrics.restore_test(restore_test_plan, published.DAYS_SINCE_RESTORE_TEST, label="restore test")
        )
    row: list[Graph | Text] = [
        Graph(title="Days since rotation, restore test", left=ages, days=14),
        Graph(
            title="Previous credential still active (hours)",
            left=[
                metrics.rotation(name, published.HOURS_PREVIOUS_ACTIVE, period=hour, label=label)
                for label, name in secrets.items()
            ],
            days=14,
        ),
    ]
    if backup_vault is not None:
        row.append(_backups(backup_vault, cluster))
    return Section(title="Upkeep", rows=[[*row, Text(markdown=_COSTS)]])


def _backups(vault: str, cluster: rds.IDatabaseCluster) -> Graph:
    of = DatabaseMetrics(cluster)
    return Graph(
        title="Backups (a day), their size (bytes)",
        left=[
            metrics.backup_jobs(vault, "NumberOfBackupJobsCompleted", "completed"),
            metrics.backup_jobs(vault, "NumberOfBackupJobsFailed", "failed"),
        ],
        right=[of("TotalBackupStorageBilled", label="billed", period=metrics.DAY)],
        days=14,
    )
