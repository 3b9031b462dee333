"""The service's image, as the settings name it."""

from pathlib import Path

from aws_cdk import Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager

from gantry.service.image import RegistryCredentials, ServiceImage
from stacks.settings import Settings
from stacks.settings.images import version


def service_image(scope: Stack, *, settings: Settings, source: Path) -> ServiceImage:
    """Return the image that the tasks run.

    Parameters
    ----------
    scope
        Where it is built, or its repository and its registry's credentials are imported.
    settings
        The environment's settings.
    source
        Folder that is built when no image is named.
    """
    architecture = settings.ecs.cpu_architecture
    if settings.container_image is None:
        return ServiceImage.built(scope, source, architecture)
    return ServiceImage.named(
        settings.container_image,
        architecture,
        version=version(settings.container_image),
        repository=_repository(scope, settings),
        credentials=_credentials(scope, settings),
    )


def _repository(scope: Stack, settings: Settings) -> ecr.IRepository | None:
    found = settings.ecr_repository
    if found is None:
        return None
    return ecr.Repository.from_repository_attributes(
        scope,
        "ImageRepository",
        repository_arn=scope.format_arn(
            service="ecr",
            region=found.region,
            account=found.account,
            resource="repository",
            resource_name=found.name,
        ),
        repository_name=found.name,
    )


def _credentials(scope: Stack, settings: Settings) -> RegistryCredentials | None:
    secret_arn, key_arn = settings.ecs.registry_secret_arn, settings.ecs.registry_secret_key_arn
    if secret_arn is None:
        return None
    return RegistryCredentials(
        secret=secretsmanager.Secret.from_secret_complete_arn(scope, "RegistrySecret", secret_arn),
        key=None if key_arn is None else kms.Key.from_key_arn(scope, "RegistrySecretKey", key_arn),
    )
