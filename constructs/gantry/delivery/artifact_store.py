"""Where a pipeline keeps what its actions hand to each other, in one region."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from gantry.nag import HIPAA, NIST, PCI, acknowledge, shared
from gantry.security.encryption_keys import log_group_statements
from gantry.security.secure_bucket import SecureBucket


class ArtifactStore(Construct):
    """An encrypted bucket whose objects expire, with its key and the log of who reads it.

    Artefacts are made again from the repository, so nothing here outlives the stack.

    Parameters
    ----------
    alias
        Of the key.
    retention
        How long artefacts, and the log of reading them, are kept.
    bucket_name
        Name of the bucket, for a pipeline in another region, which must know it.
    log_group_name
        Log group that may be encrypted with the key.
    readers
        Who reads artefacts besides those whom a pipeline of the same stack lets in.

    Attributes
    ----------
    key, bucket
        The key, which encrypts a pipeline's other things too, and the bucket.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alias: str,
        retention: Duration,
        bucket_name: str | None = None,
        log_group_name: str | None = None,
        readers: Sequence[iam.IPrincipal] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        self.key = kms.Key(
            self,
            "Key",
            alias=alias,
            description=f"{Stack.of(self).stack_name}: artefacts",
            enable_key_rotation=True,
            rotation_period=Duration.days(365),
            pending_window=Duration.days(7),
            removal_policy=RemovalPolicy.DESTROY,
        )
        log = self._bucket("AccessLog", retention)
        self.bucket = self._bucket("Bucket", retention, name=bucket_name, key=self.key, log=log)
        acknowledge(
            self,
            "Artefacts are made again from a commit, and the log of who reads them expires with them: "
            "neither is worth a copy or a version.",
            *shared("S3BucketReplicationEnabled", (NIST, HIPAA, PCI)),
            *shared("S3BucketVersioningEnabled", (NIST, HIPAA, PCI)),
        )
        acknowledge(
            log,
            "S3 delivers access logs to no bucket that is encrypted with a key of KMS.",
            *shared("S3DefaultEncryptionKMS", (NIST, HIPAA, PCI)),
        )
        for reader in readers:
            self.bucket.grant_read(reader)
        if log_group_name is not None:
            for statement in log_group_statements(self, [log_group_name]):
                self.key.add_to_resource_policy(statement)

    def _bucket(
        self,
        construct_id: str,
        retention: Duration,
        *,
        name: str | None = None,
        key: kms.IKey | None = None,
        log: s3.IBucket | None = None,
    ) -> s3.Bucket:
        return SecureBucket(
            self,
            construct_id,
            bucket_name=name,
            key=key,
            expiration=retention,
            # CodePipeline names every artefact again, and versions would outlive what expires.
            versioned=None,
            server_access_logs_bucket=log,
            # A pipeline starts as soon as it is created: the rest of its stack may still fail.
            removal_policy=RemovalPolicy.DESTROY,
        )
