"""State: what outlives every other stack."""

from dataclasses import dataclass

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from contract import log_groups
from gantry.delivery.assembly_bucket import AssemblyBucket
from gantry.delivery.ledger import DeploymentLedger
from gantry.monitoring.alert_topic import ALARMS, ALERTS, AlertTopic
from gantry.security.encryption_keys import EncryptionKeys
from gantry.security.log_buckets import DeliveryBucket, TrailBucket
from gantry.service.image_repository import ImageReplication, ImageRepository
from stacks.layer import LayerStack, removal_policy, undeletable_policy
from stacks.settings import Settings


@dataclass(frozen=True, kw_only=True)
class StateRefs:
    """What later layers use of the state layer."""

    data_key: kms.IKey
    secrets_key: kms.IKey
    logs_key: kms.IKey
    messages_key: kms.IKey
    delivery_bucket: s3.IBucket
    trail_bucket: s3.IBucket
    assembly_bucket: s3.IBucket
    repository: ecr.IRepository
    ledger: dynamodb.ITable
    alert_topic: sns.ITopic
    page_topic: sns.ITopic


class StateStack(LayerStack):
    """Keys, log buckets, the archive of assemblies, the ledger, the image repository, the alerts' topics."""

    def __init__(self, scope: Construct, *, settings: Settings) -> None:
        super().__init__(
            scope, "state", settings=settings, description="Gantry: what outlives every other stack"
        )
        removal, undeletable = removal_policy(settings), undeletable_policy(settings)
        retention = Duration.days(settings.state.log_retention_days)
        keys = EncryptionKeys(
            self,
            "Keys",
            alias_prefix=settings.prefix,
            log_groups=_log_groups(settings),
            trail_name=settings.full_name,
            alert_publishers=_alert_publishers(settings),
            removal_policy=removal,
            data_removal_policy=undeletable,
        )
        delivery = DeliveryBucket(
            self,
            "DeliveryBucket",
            retention=retention,
            accelerator=settings.accelerator.mode == "create",
            removal_policy=undeletable,
        )
        # Exported whether used or not: a setting with which the compute layer stops using it would otherwise
        # take the export away before that layer lets go of it.
        self.export_value(delivery.bucket_name)
        trail = TrailBucket(
            self,
            "TrailBucket",
            key=keys.logs,
            trail_name=settings.full_name,
            access_logs=delivery,
            retention=retention,
            locked=settings.keeps_data,
            removal_policy=removal,
        )
        assemblies = AssemblyBucket(
            self, "AssemblyBucket", key=keys.data, access_logs=delivery, removal_policy=removal
        )
        repository = ImageRepository(
            self, "Repository", name=settings.prefix, key=keys.data, removal_policy=removal
        )
        if settings.recovery.region is not None and settings.recovery.image_replication == "create":
            ImageReplication(
                self, "ImageReplication", prefix=f"{settings.name}/", region=settings.recovery.region
            )
        ledger = DeploymentLedger(self, "Ledger", key=keys.data, removal_policy=undeletable)
        alerts = AlertTopic(self, "AlertTopic", key=keys.messages, publishers=_alert_publishers(settings))
        pages = AlertTopic(self, "PageTopic", key=keys.messages, publishers=ALARMS)
        # Exported also where no trail and no canary uses them, so that turning one off is one deployment.
        for optional in (trail.bucket_name, keys.messages.key_arn, delivery.bucket_arn):
            self.export_value(optional)
        CfnOutput(self, "LedgerTableName", value=ledger.table_name)
        CfnOutput(self, "AssemblyBucketName", value=assemblies.bucket_name)
        CfnOutput(self, "RepositoryUri", value=repository.repository_uri)
        self.refs = StateRefs(
            data_key=keys.data,
            secrets_key=keys.secrets,
            logs_key=keys.logs,
            messages_key=keys.messages,
            delivery_bucket=delivery,
            trail_bucket=trail,
            assembly_bucket=assemblies,
            repository=repository,
            ledger=ledger,
            alert_topic=alerts,
            page_topic=pages,
        )


def _log_groups(settings: Settings) -> list[str]:
    """Return what the names of all log groups match."""
    groups = [
        f"{settings.log_group_prefix}*",
        log_groups.database(settings.full_name, "*"),
        log_groups.firewall(settings.full_name),
    ]
    if settings.canary.enabled:
        groups.append(log_groups.canary(settings.full_name))
    if settings.aurora.proxy:
        groups.append(log_groups.database_proxy(settings.full_name))
    return groups


def _alert_publishers(settings: Settings) -> list[str]:
    """Return the services that publish alerts: those of costs only where costs are watched."""
    publishers = list(ALERTS)
    if settings.cost.monthly_budget_usd is not None:
        publishers.append("budgets")
    if settings.cost.anomalies != "off":
        publishers.append("costalerts")
    return publishers
