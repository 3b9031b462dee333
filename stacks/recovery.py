"""Recovery: what the second region holds for the day on which the first is lost."""

from dataclasses import dataclass

from aws_cdk import Duration, ReferenceStrength
from aws_cdk import aws_backup as backup
from aws_cdk import aws_kms as kms
from constructs import Construct

from gantry.database.backup_vault import BackupVault
from gantry.security.alerts import key_events
from gantry.security.event_forwarding import EventForwarding
from gantry.service.image_repository import ReplicaTemplate
from stacks.layer import LayerStack, removal_policy
from stacks.settings import Settings


@dataclass(frozen=True, kw_only=True)
class RecoveryRefs:
    """What the platform's own region uses of the second one."""

    vault: backup.IBackupVault
    key: kms.IKey


class RecoveryStack(LayerStack):
    """In another region than all other stacks: the vault of backup copies, its key, and copies of images."""

    def __init__(self, scope: Construct, *, settings: Settings, region: str) -> None:
        super().__init__(
            scope,
            "recovery",
            settings=settings,
            description="Gantry: copies of backups for the loss of a region",
            region=region,
        )
        key = kms.Key(
            self,
            "Key",
            alias=f"{settings.prefix}/recovery",
            description=f"{self.stack_name}: copies of backups",
            enable_key_rotation=True,
            rotation_period=Duration.days(365),
            removal_policy=removal_policy(settings),
        )
        vault = BackupVault(
            self,
            "Vault",
            name=settings.full_name,
            key=key,
            lock=settings.backup.vault_lock,
            shortest_retention=Duration.days(settings.backup.shortest_retention_days),
            removal_policy=removal_policy(settings),
        )
        if settings.recovery.image_replication == "create":
            ReplicaTemplate(self, "ReplicaTemplate", prefix=settings.name)
        if settings.security.trail != "off":
            EventForwarding(
                self,
                "KeyEvents",
                description="Sends what endangers the key of the copies to the platform's region",
                pattern=key_events([key.key_arn]),
                region=settings.region,
            )
        # CloudFormation has no exports between regions.
        for resource in (key, vault):
            resource.apply_cross_stack_reference_strength(ReferenceStrength.WEAK)
        self.refs = RecoveryRefs(vault=vault, key=key)
