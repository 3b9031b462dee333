"""Where a team pushes the images that it builds itself."""

import json

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from constructs import Construct

# ECR does not know what runs or what a rollback needs, so that nothing with a tag expires.
_UNTAGGED_DAYS = 14
_UNTAGGED = "Images without a tag"


class ImageRepository(ecr.Repository):
    """A repository whose tags always name the same image, scanned when it is pushed.

    Parameters
    ----------
    name
        Name of the repository.
    key
        Encrypts it.
    removal_policy
        What becomes of the repository when its stack is deleted; destroying it deletes its images.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, key: kms.IKey, removal_policy: RemovalPolicy
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            repository_name=name,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            image_scan_on_push=True,
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=key,
            lifecycle_rules=[
                ecr.LifecycleRule(
                    description=_UNTAGGED,
                    tag_status=ecr.TagStatus.UNTAGGED,
                    max_image_age=Duration.days(_UNTAGGED_DAYS),
                ),
            ],
            removal_policy=removal_policy,
            empty_on_delete=removal_policy is RemovalPolicy.DESTROY,
        )


class ImageReplication(Construct):
    """Copies images to another region as they are pushed.

    An account has one such configuration a region, so that it must be made by one environment alone. What is
    made of a repository in the other region is said there, by `ReplicaTemplate`.

    Parameters
    ----------
    prefix
        How the names of the repositories begin whose images are copied.
    region
        Where they are copied to.
    """

    def __init__(self, scope: Construct, construct_id: str, *, prefix: str, region: str) -> None:
        super().__init__(scope, construct_id)
        configuration = ecr.CfnReplicationConfiguration
        rule = configuration.ReplicationRuleProperty(
            destinations=[
                configuration.ReplicationDestinationProperty(
                    region=region, registry_id=Stack.of(self).account
                )
            ],
            repository_filters=[
                configuration.RepositoryFilterProperty(filter=prefix, filter_type="PREFIX_MATCH")
            ],
        )
        ecr.CfnReplicationConfiguration(
            self,
            "Configuration",
            replication_configuration=configuration.ReplicationConfigurationProperty(rules=[rule]),
        )


_COPIES = [
    {
        "rulePriority": 1,
        "description": _UNTAGGED,
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": _UNTAGGED_DAYS,
        },
        "action": {"type": "expire"},
    }
]


class ReplicaTemplate(ecr.CfnRepositoryCreationTemplate):
    """Makes the repositories that replication creates like their originals: immutable, by the same rule.

    Without it they have ECR's defaults. S3's keys encrypt them: for another key, ECR would need a role.

    Parameters
    ----------
    prefix
        How the names of the repositories begin, without the slash.
    """

    def __init__(self, scope: Construct, construct_id: str, *, prefix: str) -> None:
        super().__init__(
            scope,
            construct_id,
            prefix=prefix,
            applied_for=["REPLICATION"],
            description="Copies of images for the loss of a region",
            image_tag_mutability="IMMUTABLE",
            encryption_configuration=self.EncryptionConfigurationProperty(encryption_type="AES256"),
            lifecycle_policy=json.dumps({"rules": _COPIES}),
        )
