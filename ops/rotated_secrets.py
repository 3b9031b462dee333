"""The secrets that rotate, by the names that an operator uses."""

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient


class RotatedSecret(StrEnum):
    """The secrets that rotate."""

    DATABASE = "database"
    VALKEY = "valkey"
    SIGNING_KEY = "signing-key"
    ROTATOR = "rotator"

    @property
    def output(self) -> tuple[str, str]:
        """Layer and output that hold its ARN, or the name of the function that changes it."""
        return {
            RotatedSecret.DATABASE: ("data", "DatabaseSecretArn"),
            RotatedSecret.VALKEY: ("data", "ValkeySecretArn"),
            RotatedSecret.SIGNING_KEY: ("compute", "SigningKeySecretArn"),
            RotatedSecret.ROTATOR: ("data", "DatabaseRolesFunction"),
        }[self]


def version_ids(client: "SecretsManagerClient", arn: str) -> dict[str, str]:
    """Return the ids of a secret's versions by their labels."""
    stages = client.describe_secret(SecretId=arn)["VersionIdsToStages"]
    return {label: version for version, labels in stages.items() for label in labels}
