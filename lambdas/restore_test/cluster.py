"""The clusters that restore tests make, and nothing but those."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from gantry_runtime.failures import SafeError

if TYPE_CHECKING:
    from types_boto3_rds import RDSClient
    from types_boto3_rds.type_defs import DBClusterTypeDef

# How AWS Backup begins the names of what restore tests make. The function's role allows no others either.
PREFIX = "awsbackup-restore-test"
_LONGEST_NAME = 63
# Enough to read for some minutes.
_CAPACITY = {"MinCapacity": 0.5, "MaxCapacity": 2.0}
# Another call was faster, or AWS is still busy with what was asked for before: the next look shows it.
_BUSY = frozenset(
    {
        "DBClusterNotFoundFault",
        "DBInstanceAlreadyExists",
        "DBInstanceNotFound",
        "InvalidDBClusterStateFault",
        "InvalidDBInstanceState",
    }
)


class ForeignClusterError(SafeError):
    """A cluster that no restore test made."""


@dataclass(frozen=True, kw_only=True)
class RestoredCluster:
    """A restored cluster, as it is now.

    Attributes
    ----------
    name
        Its identifier.
    status
        Such as ``available``.
    host, port
        Where it is reached.
    scales
        Whether it can have serverless instances.
    instance
        Status of the instance that was added to it; None when there is none.
    secret_arn
        The secret with the master user's password, once that can be logged in with.
    """

    name: str
    status: str
    host: str
    port: int
    scales: bool
    instance: str | None
    secret_arn: str | None


class RestoredClusters:
    """Makes a restored cluster answer, and removes what was added for that.

    Parameters
    ----------
    client
        Calls RDS.
    secrets_key
        Encrypts the secret of the master user.
    """

    def __init__(self, client: "RDSClient", *, secrets_key: str) -> None:
        self._client, self._secrets_key = client, secrets_key

    def find(self, name: str) -> RestoredCluster | None:
        """Return a cluster, or None when it is gone.

        Raises
        ------
        ForeignClusterError
            When no restore test made it.
        """
        if not name.startswith(PREFIX):
            raise ForeignClusterError(f"{name} was not made by a restore test")
        try:
            (found,) = self._client.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"]
        except self._client.exceptions.DBClusterNotFoundFault:
            return None
        return RestoredCluster(
            name=name,
            status=found["Status"],
            host=found.get("Endpoint", ""),
            port=found.get("Port", 0),
            scales="ServerlessV2ScalingConfiguration" in found,
            instance=self._instance_status(name),
            secret_arn=_active_secret(found),
        )

    def let_scale(self, cluster: RestoredCluster) -> None:
        """Prepare a cluster for a serverless instance: the restore forgets its capacity."""
        self._attempt(
            lambda: self._client.modify_db_cluster(
                DBClusterIdentifier=cluster.name,
                ServerlessV2ScalingConfiguration=_CAPACITY,  # type: ignore[arg-type]  # a constant
                ApplyImmediately=True,
            )
        )

    def add_instance(self, cluster: RestoredCluster) -> None:
        """Add the one instance: AWS Backup restores a cluster's storage alone."""
        self._attempt(
            lambda: self._client.create_db_instance(
                DBInstanceIdentifier=_instance_name(cluster.name),
                DBClusterIdentifier=cluster.name,
                DBInstanceClass="db.serverless",
                Engine="aurora-postgresql",
                PubliclyAccessible=False,
            )
        )

    def manage_password(self, cluster: RestoredCluster) -> None:
        """Have RDS give the master user a new password and keep it in a secret; no one knows the old one."""
        self._attempt(
            lambda: self._client.modify_db_cluster(
                DBClusterIdentifier=cluster.name,
                ManageMasterUserPassword=True,
                MasterUserSecretKmsKeyId=self._secrets_key,
                ApplyImmediately=True,
            )
        )

    def remove_instance(self, cluster: RestoredCluster) -> None:
        """Remove the instance, without which AWS Backup cannot remove the cluster."""
        self._attempt(
            lambda: self._client.delete_db_instance(
                DBInstanceIdentifier=_instance_name(cluster.name), SkipFinalSnapshot=True
            )
        )

    def remove(self, cluster: RestoredCluster) -> None:
        """Remove the cluster with its automated backups and its secret."""
        self._attempt(
            lambda: self._client.delete_db_cluster(
                DBClusterIdentifier=cluster.name, SkipFinalSnapshot=True, DeleteAutomatedBackups=True
            )
        )

    def _instance_status(self, cluster: str) -> str | None:
        try:
            (found,) = self._client.describe_db_instances(DBInstanceIdentifier=_instance_name(cluster))[
                "DBInstances"
            ]
        except self._client.exceptions.DBInstanceNotFoundFault:
            return None
        return found["DBInstanceStatus"]

    @staticmethod
    def _attempt(call: Callable[[], object]) -> None:
        try:
            call()
        except ClientError as error:
            if error.response["Error"]["Code"] not in _BUSY:
                raise


def _instance_name(cluster: str) -> str:
    return f"{cluster[: _LONGEST_NAME - 2].rstrip('-')}-1"


def _active_secret(cluster: "DBClusterTypeDef") -> str | None:
    secret = cluster.get("MasterUserSecret", {})
    return secret.get("SecretArn") if secret.get("SecretStatus") == "active" else None
