"""What an operator may have rotated."""

from enum import StrEnum
from typing import TYPE_CHECKING

from contract.secrets import RotatingSecret

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

ROTATOR = "rotator"
# By the names that operators use: the secrets that rotate, and that of the role which rotates the database's.
_NAMES = {secret.name: secret.value for secret in RotatingSecret}
Rotatable = StrEnum("Rotatable", _NAMES | {"ROTATOR": ROTATOR})  # type: ignore[misc]


def version_ids(client: "SecretsManagerClient", arn: str) -> dict[str, str]:
    """Return the ids of a secret's versions by their labels."""
    stages = client.describe_secret(SecretId=arn)["VersionIdsToStages"]
    return {label: version for version, labels in stages.items() for label in labels}
