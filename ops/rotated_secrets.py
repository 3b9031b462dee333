"""The secrets that rotate, by the names that an operator uses."""

from enum import StrEnum


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
