"""Alarms on the database, the cache and the backups."""

from functools import partial

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_rds as rds
from constructs import Construct

from gantry.cache.valkey import ICache
from gantry.monitoring.alarm import AlarmDefaults, NotifyingAlarm
from gantry.monitoring.metrics import CacheMetrics, DatabaseMetrics, backup_jobs

_BYTES_A_GB = 1024**3
# PostgreSQL stops taking writes before 2^31, and vacuums by force from 200 million on.
_TRANSACTION_IDS = 1_000_000_000


def max_connections(min_capacity: float, max_capacity: float) -> int:
    """Return the connections that an instance of Aurora PostgreSQL Serverless v2 admits by default.

    Aurora computes them from the memory of the highest capacity, up to 5000, and up to 2000 where the lowest
    capacity is half a unit or less. The line goes through every value of AWS's table:
    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2.setting-capacity.html#aurora-serverless-v2.max-connections
    """
    most = 2000 if min_capacity <= 0.5 else 5000
    return min(most, round(211.4 * max_capacity - 22.4))


class DatabaseAlarms(Construct):
    """Alarms on what an Aurora Serverless v2 cluster runs out of.

    Parameters
    ----------
    alarm_defaults
        Names, topic and runbook of the alarms.
    cluster, min_capacity, max_capacity
        What is watched, and the bounds of its capacity.
    readers
        Whether there are readers, which may lag.
    capacity_percent, connections_percent
        Shares of the most capacity and the most connections of an instance.
    replica_lag_milliseconds
        Lag of a reader.

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
        alarm_defaults: AlarmDefaults,
        cluster: rds.IDatabaseCluster,
        min_capacity: float,
        max_capacity: float,
        readers: bool,
        capacity_percent: int,
        connections_percent: int,
        replica_lag_milliseconds: int,
    ) -> None:
        super().__init__(scope, construct_id)
        metrics, alarm = DatabaseMetrics(cluster), partial(alarm_defaults.alarm, self)
        connections = max_connections(min_capacity, max_capacity) * connections_percent // 100
        self.alarms = [
            alarm("database-capacity", metrics("ACUUtilization", "Maximum"), capacity_percent,
                  "The database is at its most capacity.", periods=15),
            alarm("database-connections", metrics("DatabaseConnections", "Maximum"), connections,
                  "The database is running out of connections.", periods=5),
            alarm("database-transaction-ids", metrics("MaximumUsedTransactionIDs", "Maximum"),
                  _TRANSACTION_IDS, "Vacuum does not keep up.", periods=15),
        ]  # fmt: skip
        if readers:
            lag = metrics("AuroraReplicaLagMaximum", "Maximum")
            self.alarms.append(
                alarm("database-replica-lag", lag, replica_lag_milliseconds,
                      "A reader lags behind the writer.", periods=5)
            )  # fmt: skip


class CacheAlarms(Construct):
    """Alarms on a serverless cache that meets its limits.

    Parameters
    ----------
    alarm_defaults
        Names, topic and runbook of the alarms.
    cache, max_data_gb
        What is watched, and what it may hold.
    storage_percent
        Share of what it may hold.

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
        alarm_defaults: AlarmDefaults,
        cache: ICache,
        max_data_gb: int,
        storage_percent: int,
    ) -> None:
        super().__init__(scope, construct_id)
        metrics, alarm = CacheMetrics(cache), partial(alarm_defaults.alarm, self, periods=5)
        stored = max_data_gb * _BYTES_A_GB * storage_percent // 100
        self.alarms = [
            alarm("cache-storage", metrics("BytesUsedForCache", "Maximum"), stored,
                  "The cache is nearly full."),
            alarm("cache-evictions", metrics("Evictions", "Sum"), 0,
                  "The cache drops keys before their time."),
            alarm("cache-throttles", metrics("ThrottledCmds", "Sum"), 0, "The cache refuses commands."),
        ]  # fmt: skip


class BackupAlarm(NotifyingAlarm):
    """Enters ALARM after a calendar day without a backup; a failed one has an event, a missing one has none.

    Its day does not slide: two backups in a row may be more than 24 hours apart. The first evaluation waits
    until one whole day has passed since the alarm exists.

    Parameters
    ----------
    alarm_defaults
        Name, topic and runbook.
    vault_name
        Where backups arrive every day.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, alarm_defaults: AlarmDefaults, vault_name: str
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            name="backup-overdue",
            alarm_defaults=alarm_defaults,
            description="No backup of the database was made on a whole day (UTC).",
            metric=backup_jobs(vault_name, "NumberOfBackupJobsCompleted", "completed"),
            threshold=1,
            periods=1,
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            missing=cloudwatch.TreatMissingData.BREACHING,
            calendar=True,
            warm_up=Duration.days(2),
        )
