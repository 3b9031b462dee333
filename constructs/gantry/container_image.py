"""Images of containers, from a registry or built from a folder."""

import re
from pathlib import Path

from aws_cdk import Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from constructs import Construct

_ECR = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<name>[^:@]+)"
    r"(:(?P<tag>[\w.-]+)|@(?P<digest>sha256:[0-9a-f]{64}))$"
)


def container_image(
    scope: Construct, construct_id: str, *, reference: str | None, source: Path
) -> ecs.ContainerImage:
    """Return the image of a name, or one for Graviton that is built from a folder.

    Parameters
    ----------
    scope, construct_id
        Where a repository of ECR is imported, so that pulling from it can be granted.
    reference
        Name with tag or digest; None builds the image.
    source
        Folder with a Dockerfile, used when no image is named.
    """
    if reference is None:
        return ecs.ContainerImage.from_asset(str(source), platform=ecr_assets.Platform.LINUX_ARM64)
    found = _ECR.match(reference)
    if found is None:
        return ecs.ContainerImage.from_registry(reference)
    arn = Stack.of(scope).format_arn(
        service="ecr",
        region=found["region"],
        account=found["account"],
        resource="repository",
        resource_name=found["name"],
    )
    repository = ecr.Repository.from_repository_attributes(
        scope, construct_id, repository_arn=arn, repository_name=found["name"]
    )
    return ecs.ContainerImage.from_ecr_repository(repository, found["tag"] or found["digest"])
