"""Buckets that AWS services deliver logs to."""

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from gantry.nag import HIPAA, NIST, PCI, acknowledge, shared
from gantry.security.secure_bucket import SecureBucket

ACCESS_LOG_PREFIX = "alb"
FLOW_LOG_PREFIX = "accelerator"


class DeliveryBucket(SecureBucket):
    """Where load balancer, S3 and Global Accelerator deliver logs.

    They deliver to nothing but SSE-S3 without Object Lock
    (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html), so this
    bucket is encrypted with the service's key, unlike every other one.

    Parameters
    ----------
    retention
        How long logs are kept.
    accelerator
        Whether an accelerator's flow logs are delivered, too.
    removal_policy
        What becomes of the bucket when its stack is deleted; destroying it empties it first.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        retention: Duration,
        accelerator: bool,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            expiration=retention,
            noncurrent_expiration=Duration.days(7),
            removal_policy=removal_policy,
        )
        acknowledge(
            self,
            "Load balancers deliver to no bucket that is encrypted with a key of KMS.",
            *shared("S3DefaultEncryptionKMS", (NIST, HIPAA, PCI)),
        )
        acknowledge(
            self,
            "Its logs are of this region's load balancer and buckets, and nothing is recovered from them.",
            *shared("S3BucketReplicationEnabled", (NIST, HIPAA, PCI)),
        )
        self._allow_load_balancers()
        if accelerator:
            self._allow_flow_logs()

    def _allow_load_balancers(self) -> None:
        stack = Stack.of(self)
        balancers = stack.format_arn(
            service="elasticloadbalancing", resource="loadbalancer", resource_name="*"
        )
        self.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LoadBalancersWrite",
                principals=[iam.ServicePrincipal("logdelivery.elasticloadbalancing.amazonaws.com")],
                actions=["s3:PutObject"],
                resources=[self.arn_for_objects(f"{ACCESS_LOG_PREFIX}/AWSLogs/{stack.account}/*")],
                conditions={"ArnLike": {"aws:SourceArn": balancers}},
            )
        )

    def _allow_flow_logs(self) -> None:
        account = Stack.of(self).account
        _let_write(
            self,
            iam.ServicePrincipal("delivery.logs.amazonaws.com"),
            sids=("FlowLogsCheckAcl", "FlowLogsWrite"),
            prefix=f"{FLOW_LOG_PREFIX}/AWSLogs/{account}/",
            source={"aws:SourceAccount": account},
        )


class TrailBucket(SecureBucket):
    """Where CloudTrail records the account's activity; with Object Lock no one can change what was recorded.

    Parameters
    ----------
    key
        Encrypts the records.
    trail_name
        The one trail that may write.
    access_logs
        Bucket for this bucket's access log.
    retention
        How long records are kept and locked.
    locked
        Whether records are locked in governance mode; a locked bucket cannot be emptied before its time.
    removal_policy
        What becomes of the bucket when its stack is deleted; destroying it empties it first.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        trail_name: str,
        access_logs: s3.IBucket,
        retention: Duration,
        locked: bool,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            key=key,
            # The key's policy asks for the encryption context of each file of the trail.
            bucket_key=False,
            object_lock_enabled=True if locked else None,
            object_lock_default_retention=s3.ObjectLockRetention.governance(retention) if locked else None,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix="s3/trail/",
            expiration=Duration.days(retention.to_days() + 1),
            noncurrent_expiration=Duration.days(1),  # by then its lock has ended
            removal_policy=removal_policy,
        )
        if locked:
            acknowledge(
                self,
                "Object Lock keeps every record as long as it is due; nothing is recovered from the trail.",
                *shared("S3BucketReplicationEnabled", (NIST, HIPAA, PCI)),
            )
        self._allow_trail(trail_name)

    def _allow_trail(self, name: str) -> None:
        stack = Stack.of(self)
        trail = stack.format_arn(service="cloudtrail", resource="trail", resource_name=name)
        _let_write(
            self,
            iam.ServicePrincipal("cloudtrail.amazonaws.com"),
            sids=("TrailChecksAcl", "TrailWrites"),
            prefix=f"AWSLogs/{stack.account}/",
            source={"aws:SourceArn": trail},
        )


def _let_write(
    bucket: s3.Bucket,
    principal: iam.ServicePrincipal,
    *,
    sids: tuple[str, str],
    prefix: str,
    source: Mapping[str, str],
) -> None:
    """Let a service write for one source below a prefix; it looks at the bucket's ACL before it does."""
    look, write = sids
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            sid=look,
            principals=[principal],
            actions=["s3:GetBucketAcl"],
            resources=[bucket.bucket_arn],
            conditions={"StringEquals": dict(source)},
        )
    )
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            sid=write,
            principals=[principal],
            actions=["s3:PutObject"],
            resources=[bucket.arn_for_objects(f"{prefix}*")],
            conditions={"StringEquals": {**source, "s3:x-amz-acl": "bucket-owner-full-control"}},
        )
    )
