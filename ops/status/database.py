"""The database: cluster, instances, and what they carry."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.status.look import Look
from ops.status.metrics import Metric, Values, newest
from ops.status.part import Part, counted

if TYPE_CHECKING:
    from types_boto3_rds.type_defs import DBInstanceTypeDef

# What serves: "Viewing DB instance status", "Viewing DB cluster status" (Amazon Aurora User Guide).
SERVING = frozenset(
    {
        "available",
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-iam-database-auth",
        "configuring-log-exports",
        "maintenance",
        "modifying",
        "storage-optimization",
    }
)
_CAPACITY, _CONNECTIONS = "ServerlessDatabaseCapacity", "DatabaseConnections"


@dataclass(frozen=True, kw_only=True)
class Instance:
    """An instance; capacity in ACU and connections are None where CloudWatch has no data."""

    instance: str
    role: str
    status: str
    zone: str
    version: str
    acu: float | None
    connections: float | None


@dataclass(frozen=True, kw_only=True)
class Database(Part):
    """The cluster that the service uses.

    Attributes
    ----------
    metrics_unknown
        Why capacity and connections could not be read; empty when they were.
    """

    cluster: str
    status: str
    engine: str
    version: str
    max_acu: float
    instances: Sequence[Instance]
    metrics_unknown: str

    def problems(self) -> Iterator[str]:
        """Yield what does not serve."""
        if self.status not in SERVING:
            yield f"the cluster {self.cluster} is {self.status}"
        for each in self.instances:
            if each.status not in SERVING:
                yield f"the {each.role} {each.instance} is {each.status}"
        if not any(each.role == "writer" for each in self.instances):
            yield f"the cluster {self.cluster} has no writer"

    def unknown(self) -> Iterator[str]:
        """Yield why the metrics are missing."""
        if self.metrics_unknown:
            yield f"capacity and connections are unknown: {self.metrics_unknown}"

    def lines(self) -> Iterator[str]:
        """Yield the cluster, and each instance with what it carries."""
        yield f"{self.cluster} {self.status}, {self.engine} {self.version}"
        for each in self.instances:
            carries = "" if self.metrics_unknown else f": {self._carried(each)}"
            yield f"{each.role} {each.status} in {each.zone}{carries}"
        yield from self.unknown()

    def _carried(self, instance: Instance) -> str:
        if instance.acu is None or instance.connections is None:
            return "no data"
        return f"{instance.acu:g} of {self.max_acu:g} ACU, {counted(int(instance.connections), 'connection')}"


def read(look: Look) -> Database:
    """Return the cluster that the data stack names."""
    name = look.outputs("data")["ClusterIdentifier"]
    client = look.environment.databases
    cluster = client.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]
    writers = {m["DBInstanceIdentifier"] for m in cluster["DBClusterMembers"] if m["IsClusterWriter"]}
    pages = client.get_paginator("describe_db_instances").paginate(
        Filters=[{"Name": "db-cluster-id", "Values": [name]}]
    )
    found = [each for page in pages for each in page["DBInstances"]]
    values = newest(look, _metrics([each["DBInstanceIdentifier"] for each in found]))
    instances = [_instance(each, values, writers) for each in found]
    limits = cluster.get("ServerlessV2ScalingConfiguration", {})
    return Database(
        cluster=name,
        status=cluster["Status"],
        engine=cluster["Engine"],
        version=cluster["EngineVersion"],
        max_acu=limits.get("MaxCapacity", look.settings.aurora.max_capacity),
        instances=sorted(instances, key=lambda each: (each.role != "writer", each.instance)),
        metrics_unknown=values.reason,
    )


def _metrics(instances: Sequence[str]) -> dict[str, Metric]:
    return {
        f"{name} {instance}": Metric(
            namespace="AWS/RDS", name=name, dimension="DBInstanceIdentifier", value=instance
        )
        for instance in instances
        for name in (_CAPACITY, _CONNECTIONS)
    }


def _instance(found: "DBInstanceTypeDef", values: Values, writers: Collection[str]) -> Instance:
    name = found["DBInstanceIdentifier"]
    return Instance(
        instance=name,
        role="writer" if name in writers else "reader",
        status=found["DBInstanceStatus"],
        zone=found.get("AvailabilityZone", "no zone yet"),
        version=found["EngineVersion"],
        acu=values.newest.get(f"{_CAPACITY} {name}"),
        connections=values.newest.get(f"{_CONNECTIONS} {name}"),
    )
