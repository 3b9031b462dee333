"""What every bucket of the platform is."""

from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct


class SecureBucket(s3.Bucket):
    """A bucket of this account alone, closed to the public, reached by TLS only, and encrypted.

    Parameters
    ----------
    key
        Encrypts it; without one it is S3's own key, the only one with which AWS services deliver logs.
    bucket_key
        Whether S3 asks KMS for a key of the bucket rather than of each object.
    expiration, noncurrent_expiration
        When objects go, and what was overwritten or deleted in a versioned bucket.
    removal_policy
        What becomes of the bucket when its stack is deleted; destroying it empties it first.
    properties
        Further properties of `aws_s3.Bucket`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        removal_policy: RemovalPolicy,
        key: kms.IKey | None = None,
        bucket_key: bool = True,
        expiration: Duration | None = None,
        noncurrent_expiration: Duration | None = None,
        versioned: bool | None = True,
        **properties: Any,  # noqa: ANN401 - as the bucket's
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            encryption=s3.BucketEncryption.S3_MANAGED if key is None else s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=None if key is None else bucket_key,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=versioned,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=expiration,
                    noncurrent_version_expiration=noncurrent_expiration,
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
            removal_policy=removal_policy,
            auto_delete_objects=removal_policy is RemovalPolicy.DESTROY,
            **properties,
        )
