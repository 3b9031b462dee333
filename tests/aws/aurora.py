"""RDS: the cluster whose roles are rotated."""

from tests.aws.transport import Answer

NAME = "gantry-test"


class Aurora:
    """One cluster.

    Attributes
    ----------
    resource_id
        Another one after a restored cluster has taken the name.
    endpoint
        Of the cluster.
    members
        Names of its instances.
    """

    def __init__(self) -> None:
        self.resource_id = "cluster-ORIGINAL"
        self.endpoint = "localhost"
        self.members = ["writer"]

    def describe_db_clusters(self, *, db_cluster_identifier: str) -> Answer:
        assert db_cluster_identifier == NAME
        return {
            "DBClusters": [
                {
                    "DBClusterIdentifier": NAME,
                    "DbClusterResourceId": self.resource_id,
                    "Endpoint": self.endpoint,
                    "DBClusterMembers": [{"DBInstanceIdentifier": name} for name in self.members],
                }
            ]
        }
