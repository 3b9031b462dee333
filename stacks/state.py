"""State: what outlives every other stack."""

from dataclasses import dataclass

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from gantry import aurora, web_firewall
from gantry.encryption_keys import EncryptionKeys
from gantry.log_buckets import DeliveryBucket, TrailBucket
from stacks.layer import LayerStack, removal_policy
from stacks.settings import Settings


@dataclass(frozen=True, kw_only=True)
class StateRefs:
    """What later layers use of the state layer."""

    data_key: kms.IKey
    secrets_key: kms.IKey
    logs_key: kms.IKey
    delivery_bucket: s3.IBucket
    trail_bucket: s3.IBucket
    assembly_bucket: s3.IBucket
    repository: ecr.IRepository
    ledger: dynamodb.ITable
    alert_topic: sns.ITopic


class StateStack(LayerStack):
    """Keys, log buckets, the archive of assemblies, the ledger, the image repository, the alert topic."""

    def __init__(self, scope: Construct, *, settings: Settings) -> None:
        super().__init__(
            scope, "state", settings=settings, description="Gantry: what outlives every other stack"
        )
        removal = removal_policy(settings)
        retention = Duration.days(settings.state.log_retention_days)
        keys = EncryptionKeys(
            self,
            "Keys",
            log_groups=[
                f"{settings.log_group_prefix}*",
                aurora.log_group_pattern(settings.full_name),
                web_firewall.log_group_name(settings.full_name),
            ],
            trail_name=settings.full_name,
            removal_policy=removal,
        )
        delivery = DeliveryBucket(self, "DeliveryBucket", retention=retention, removal_policy=removal)
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
        assemblies = s3.Bucket(
            self,
            "AssemblyBucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=keys.data,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            server_access_logs_bucket=delivery,
            server_access_logs_prefix="s3/assemblies/",
            removal_policy=removal,
        )
        repository = ecr.Repository(
            self,
            "Repository",
            repository_name=settings.prefix,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            image_scan_on_push=True,
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=keys.data,
            lifecycle_rules=[
                ecr.LifecycleRule(max_image_count=100, description="Keep what a rollback may need")
            ],
            removal_policy=removal,
            empty_on_delete=not settings.keeps_data,
        )
        ledger = dynamodb.Table(
            self,
            "Ledger",
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=keys.data,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            # Only the deploy lock carries this attribute: entries of the ledger are kept.
            time_to_live_attribute="lock_expires_at",
            deletion_protection=settings.keeps_data,
            removal_policy=removal,
        )
        topic = sns.Topic(self, "AlertTopic", master_key=keys.messages, enforce_ssl=True)
        for service in ("cloudwatch", "events"):
            topic.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=f"PublishFrom{service.capitalize()}",
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    actions=["sns:Publish"],
                    resources=[topic.topic_arn],
                    conditions={"StringEquals": {"aws:SourceAccount": self.account}},
                )
            )
        CfnOutput(self, "LedgerTableName", value=ledger.table_name)
        CfnOutput(self, "AssemblyBucketName", value=assemblies.bucket_name)
        CfnOutput(self, "RepositoryUri", value=repository.repository_uri)
        self.refs = StateRefs(
            data_key=keys.data,
            secrets_key=keys.secrets,
            logs_key=keys.logs,
            delivery_bucket=delivery,
            trail_bucket=trail,
            assembly_bucket=assemblies,
            repository=repository,
            ledger=ledger,
            alert_topic=topic,
        )
