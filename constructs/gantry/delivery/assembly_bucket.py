"""The archive of what was deployed."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from gantry.nag import HIPAA, NIST, PCI, acknowledge, shared


class AssemblyBucket(s3.Bucket):
    """Keeps the cloud assembly of every deployment, and for a year what was overwritten.

    Parameters
    ----------
    key
        Encrypts it.
    access_logs
        Bucket for its access log.
    removal_policy
        What becomes of the bucket when its stack is deleted; destroying it empties it first.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        access_logs: s3.IBucket,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    noncurrent_version_expiration=Duration.days(365),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix="s3/assemblies/",
            removal_policy=removal_policy,
            auto_delete_objects=removal_policy is RemovalPolicy.DESTROY,
        )
        acknowledge(
            self,
            "The same commit of the repository makes the same assembly again.",
            *shared("S3BucketReplicationEnabled", (NIST, HIPAA, PCI)),
        )
