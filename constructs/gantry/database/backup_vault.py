"""Where backups are kept."""

from typing import Literal

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_backup as backup
from aws_cdk import aws_kms as kms
from constructs import Construct

VaultLock = Literal["off", "governance", "compliance"]
# A lock in compliance mode can still be taken back for so long.
_GRACE = Duration.days(3)


class BackupVault(backup.BackupVault):
    """A vault from which backups disappear only when their time is over.

    Parameters
    ----------
    name
        Name of the vault.
    key
        Encrypts what is copied into it.
    lock
        Whether the retention of backups can be shortened by no one (compliance), by those who may change the
        lock (governance), or by anyone who may change a backup.
    shortest_retention
        The lock refuses backups that are kept for less.
    removal_policy
        What becomes of the vault when its stack is deleted.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        key: kms.IKey,
        lock: VaultLock,
        shortest_retention: Duration,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            backup_vault_name=name,
            encryption_key=key,
            block_recovery_point_deletion=removal_policy is not RemovalPolicy.DESTROY,
            lock_configuration=None
            if lock == "off"
            else backup.LockConfiguration(
                min_retention=shortest_retention, changeable_for=_GRACE if lock == "compliance" else None
            ),
            removal_policy=removal_policy,
        )
