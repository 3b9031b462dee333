"""The archive of what was deployed."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from gantry.nag import HIPAA, NIST, PCI, acknowledge, shared
from gantry.security.secure_bucket import SecureBucket


class AssemblyBucket(SecureBucket):
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
            key=key,
            noncurrent_expiration=Duration.days(365),
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix="s3/assemblies/",
            removal_policy=removal_policy,
        )
        acknowledge(
            self,
            "The same commit of the repository makes the same assembly again.",
            *shared("S3BucketReplicationEnabled", (NIST, HIPAA, PCI)),
        )
