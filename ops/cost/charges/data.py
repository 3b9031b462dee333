"""Charges of data: Aurora and its backups, the cache, buckets, tables."""

from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal

from ops.assembly import Resource
from ops.cost.usage import Charge, Context, Unknown, Usage, number, within
from ops.cost.workload import DAYS_A_MONTH, HOURS_A_MONTH

_STEP = Decimal("0.5")
_LEAST_PROXY_ACU = Decimal(8)
_LEAST_CACHE_GB = Decimal("0.1")
# Readers of these failover priorities grow with the writer (Aurora Serverless v2 scaling).
_PRIORITIES_LIKE_THE_WRITER = (0, 1)


def _cluster(cluster: Resource, context: Context) -> Iterator[Usage | Unknown]:
    assumed, optimised = context.assumptions, _is_io_optimised(cluster)
    storage = "aurora-io-optimized-storage-gb" if optimised else "aurora-storage-gb"
    yield Usage("storage", storage, assumed.database_gb)
    if not optimised:
        yield Usage(
            "storage I/O", "aurora-million-io", context.workload.million_requests * assumed.database_io
        )
    days = number(cluster.get("BackupRetentionPeriod"), "1")
    if days > 1:
        # Backups up to the size of the database have no charge, nor have those of one day.
        changed = assumed.database_gb * assumed.database_daily_change * days
        yield Usage(f"continuous backup of {days} days", "aurora-backup-gb", changed)
    if cluster.get("ManageMasterUserPassword"):
        yield Usage("managed master secret", "secret-month", Decimal(1))


def _is_io_optimised(cluster: Resource) -> bool:
    return bool(cluster.get("StorageType") == "aurora-iopt1")


def _instance(instance: Resource, context: Context) -> Iterator[Usage | Unknown]:
    clusters = context.referents(instance, "AWS::RDS::DBCluster")
    if instance.get("DBInstanceClass") != "db.serverless" or not clusters:
        yield Unknown(
            str(instance.get("DBInstanceClass")), "only instances of Aurora Serverless v2 are priced"
        )
        return
    acu, shown = _acu(instance, clusters[0], context)
    price = "aurora-io-optimized-acu-hour" if _is_io_optimised(clusters[0]) else "aurora-acu-hour"
    yield Usage(shown, price, acu * HOURS_A_MONTH)
    if "advanced" in (clusters[0].get("DatabaseInsightsMode"), instance.get("DatabaseInsightsMode")):
        yield Usage("Database Insights Advanced", "database-insights-acu-hour", acu * HOURS_A_MONTH)
    if number(instance.get("MonitoringInterval")) or number(clusters[0].get("MonitoringInterval")):
        yield Unknown("Enhanced Monitoring", "charged as logs; their amount follows the interval")


def _acu(instance: Resource, cluster: Resource, context: Context) -> tuple[Decimal, str]:
    """Return an instance's capacity under the load, in steps of half an ACU, as a number and in words."""
    low = number(cluster.get("ServerlessV2ScalingConfiguration", "MinCapacity"))
    high = number(cluster.get("ServerlessV2ScalingConfiguration", "MaxCapacity"))
    needed = low
    if number(instance.get("PromotionTier"), "0") in _PRIORITIES_LIKE_THE_WRITER:
        load = context.workload.requests_a_second / context.assumptions.requests_an_acu
        needed = (load / _STEP).to_integral_value(ROUND_CEILING) * _STEP
    acu = within(needed, low, high)
    short = f", though {needed.normalize():f} are needed" if needed > high else ""
    return acu, f"{acu.normalize():f} ACU{short}"


def _proxy(_: Resource, context: Context) -> Iterator[Usage | Unknown]:
    acu = sum(
        (
            _acu(instance, cluster, context)[0]
            for instance in context.of_type("AWS::RDS::DBInstance")
            for cluster in context.referents(instance, "AWS::RDS::DBCluster")
        ),
        start=Decimal(0),
    )
    charged = max(acu, _LEAST_PROXY_ACU)
    yield Usage(f"{charged.normalize():f} ACU behind it", "database-proxy-acu-hour", charged * HOURS_A_MONTH)


def _cache(cache: Resource, context: Context) -> Iterator[Usage | Unknown]:
    if cache.get("Engine") != "valkey":
        yield Unknown(f"serverless cache of engine {cache.get('Engine')}", "only Valkey is priced")
        return
    assumed = context.assumptions
    least = number(cache.get("CacheUsageLimits", "DataStorage", "Minimum"))
    stored = max(assumed.cache_gb, least, _LEAST_CACHE_GB)
    yield Usage(f"{stored.normalize():f} GB stored", "cache-gb-hour", stored * HOURS_A_MONTH)
    floor = number(cache.get("CacheUsageLimits", "ECPUPerSecond", "Minimum")) * HOURS_A_MONTH * 3600
    units = max(context.workload.requests * assumed.cache_units, floor)
    yield Usage("commands", "cache-million-units", units / 1_000_000)
    if number(cache.get("SnapshotRetentionLimit")):
        yield Unknown("snapshots of the cache", "no price recorded; they are as large as what is stored")


def _bucket(bucket: Resource, context: Context) -> Iterator[Usage | Unknown]:
    yield Usage("objects", "object-storage-gb", context.assumptions.bucket_gb)
    if context.referrers(bucket, "AWS::ElasticLoadBalancingV2::LoadBalancer"):
        monthly = context.workload.gigabytes(context.assumptions.access_log_kb)
        yield Usage("access logs kept", "object-storage-gb", monthly * _months_kept(bucket, context))


def _months_kept(bucket: Resource, context: Context) -> Decimal:
    days = [
        number(rule.get("ExpirationInDays"))
        for rule in bucket.get("LifecycleConfiguration", "Rules", default=())
        if rule.get("Status") == "Enabled" and "ExpirationInDays" in rule
    ]
    return max(days) / DAYS_A_MONTH if days else context.assumptions.log_months


def _table(table: Resource, context: Context) -> Iterator[Usage | Unknown]:
    if table.get("BillingMode", default="PROVISIONED") != "PAY_PER_REQUEST":
        yield Unknown("provisioned capacity", "only tables on demand are priced")
        return
    yield Usage("items", "table-storage-gb", context.assumptions.table_gb)
    if table.get("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"):
        yield Usage("point-in-time recovery", "table-recovery-gb", context.assumptions.table_gb)


def _backup_plan(plan: Resource, context: Context) -> Iterator[Usage | Unknown]:
    # A snapshot has no charge within its cluster's backup retention period (Amazon Aurora User Guide,
    # "Understanding Amazon Aurora backup storage usage").
    clusters = context.of_type("AWS::RDS::DBCluster")
    free = max((number(each.get("BackupRetentionPeriod"), "1") for each in clusters), default=Decimal(0))
    for rule in plan.get("BackupPlan", "BackupPlanRule", default=()):
        name = rule.get("RuleName", "backup")
        interval = _days_between(str(rule.get("ScheduleExpression", "")))
        size = context.assumptions.database_gb
        kept = _kept(rule, interval)
        if kept is None:
            yield Unknown(f"{name} backups", "they are kept permanently, so their amount has no end")
            continue
        charged = max(Decimal(0), kept - free / interval)
        yield Usage(f"{name} backups, {kept:.0f} kept", "aurora-backup-gb", size * charged)
        for copy in rule.get("CopyActions", ()):
            copies = _kept(copy, interval)
            if copies is None:
                yield Unknown(f"copies of {name} backups", "they are kept permanently")
                continue
            yield Usage(f"copies of {name} backups, {copies:.0f} kept", "aurora-backup-gb", size * copies)
            yield Usage(f"sending {name} copies", "transfer-between-regions", size * DAYS_A_MONTH / interval)


def _kept(rule: dict[str, dict[str, int]], interval: Decimal) -> Decimal | None:
    days = rule.get("Lifecycle", {}).get("DeleteAfterDays")
    return None if days is None else max(Decimal(1), Decimal(days) / interval)


def _days_between(expression: str) -> Decimal:
    """Return the days between the runs of a cron expression of AWS; daily where it does not say."""
    fields = expression.removeprefix("cron(").removesuffix(")").split()
    if len(fields) != 6:
        return Decimal(1)
    _, _, day_of_month, month, day_of_week, _ = fields
    if month not in ("*", "?"):
        return Decimal(365) / len(month.split(","))
    if day_of_month not in ("*", "?"):
        return DAYS_A_MONTH / len(day_of_month.split(","))
    return Decimal(7) / len(day_of_week.split(",")) if day_of_week not in ("*", "?") else Decimal(1)


CHARGES: dict[str, Charge] = {
    "AWS::Backup::BackupPlan": _backup_plan,
    "AWS::DynamoDB::Table": _table,
    "AWS::ElastiCache::ServerlessCache": _cache,
    "AWS::RDS::DBCluster": _cluster,
    "AWS::RDS::DBInstance": _instance,
    "AWS::RDS::DBProxy": _proxy,
    "AWS::S3::Bucket": _bucket,
}
