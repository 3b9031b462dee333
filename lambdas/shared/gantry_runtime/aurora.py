"""The Aurora cluster whose roles are rotated, as RDS knows it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_rds import RDSClient
    from types_boto3_rds.type_defs import DBClusterTypeDef

_CLUSTER = ".cluster-"


class Cluster:
    """One cluster, by the name that it shares with whatever takes its place.

    Parameters
    ----------
    client
        Of RDS.
    name
        The cluster's identifier.
    """

    def __init__(self, client: "RDSClient", name: str) -> None:
        self._client, self._name = client, name

    def resource_id(self) -> str:
        """Return what distinguishes the cluster from one that was restored and given its name."""
        return self._describe()["DbClusterResourceId"]

    def hosts(self) -> list[str]:
        """Return the host of every instance: each knows its own sessions alone.

        An instance's endpoint is the cluster's with the instance's name ("Amazon Aurora endpoint connections"
        in the Aurora User Guide). What has no such endpoint is one server.
        """
        cluster = self._describe()
        endpoint = cluster["Endpoint"]
        _, found, domain = endpoint.partition(_CLUSTER)
        if not found:
            return [endpoint]
        return [f"{member['DBInstanceIdentifier']}.{domain}" for member in cluster["DBClusterMembers"]]

    def _describe(self) -> "DBClusterTypeDef":
        return self._client.describe_db_clusters(DBClusterIdentifier=self._name)["DBClusters"][0]
