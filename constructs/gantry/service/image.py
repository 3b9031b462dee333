"""Images of containers, built from a folder or pulled from a registry."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from aws_cdk import Annotations
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from gantry.secrets.secret import read_statements

Architecture: TypeAlias = Literal["arm64", "x86_64"]
_BUILT_FOR = {"arm64": ecr_assets.Platform.LINUX_ARM64, "x86_64": ecr_assets.Platform.LINUX_AMD64}
_RUNS_ON = {"arm64": ecs.CpuArchitecture.ARM64, "x86_64": ecs.CpuArchitecture.X86_64}


@dataclass(frozen=True, kw_only=True)
class RegistryCredentials:
    """Secret with user name and password of a registry; its key, where that is not aws/secretsmanager."""

    secret: secretsmanager.ISecret
    key: kms.IKey | None


@dataclass(frozen=True, kw_only=True)
class ServiceImage:
    """What tasks run, and what their execution role needs to pull it.

    Attributes
    ----------
    source
        The image, as ECS knows it.
    architecture
        The processor that it is for.
    version
        What identifies it, and changes only with it: its tag or digest, or the hash of what it is built from.
    from_ecr
        Whether it is pulled from Amazon ECR.
    repository
        Repository of Amazon ECR that a named image is in; the CDK grants the pull of an image that it builds.
    credentials
        What another registry asks for; the CDK grants the secret and not its key.
    """

    source: ecs.ContainerImage
    architecture: Architecture
    version: str
    from_ecr: bool
    repository: ecr.IRepository | None = None
    credentials: RegistryCredentials | None = None

    @classmethod
    def built(cls, scope: Construct, folder: Path, architecture: Architecture) -> "ServiceImage":
        """Return the image that is built from a folder with a Dockerfile."""
        asset = ecr_assets.DockerImageAsset(
            scope, "ServiceImage", directory=str(folder), platform=_BUILT_FOR[architecture]
        )
        return cls(
            source=ecs.ContainerImage.from_docker_image_asset(asset),
            architecture=architecture,
            version=asset.asset_hash[:12],  # as git shortens a commit
            from_ecr=True,
        )

    @classmethod
    def named(
        cls,
        reference: str,
        architecture: Architecture,
        *,
        version: str,
        repository: ecr.IRepository | None = None,
        credentials: RegistryCredentials | None = None,
    ) -> "ServiceImage":
        """Return an image by its name, which stays as it is written: a dual-stack or FIPS name is meant.

        Parameters
        ----------
        reference
            Name with tag, digest or both.
        architecture
            The processor that it is for.
        version
            Its tag or digest.
        repository
            Where it is in Amazon ECR.
        credentials
            What another registry asks for.
        """
        secret = None if credentials is None else credentials.secret
        return cls(
            source=ecs.ContainerImage.from_registry(reference, credentials=secret),
            architecture=architecture,
            version=version,
            from_ecr=repository is not None,
            repository=repository,
            credentials=credentials,
        )

    @property
    def cpu_architecture(self) -> ecs.CpuArchitecture:
        """The processor of the tasks."""
        return _RUNS_ON[self.architecture]

    def grant_pull(self, task_definition: ecs.FargateTaskDefinition) -> None:
        """Let the execution role of a task definition pull the image."""
        if self.credentials is not None and self.credentials.key is not None:
            for statement in read_statements(task_definition, self.credentials.key, self.credentials.secret):
                task_definition.add_to_execution_role_policy(statement)
        if self.repository is not None:
            self.repository.grant_pull(task_definition.obtain_execution_role())
            Annotations.of(task_definition).acknowledge_warning(
                "@aws-cdk/aws-ecs:ecrImageRequiresPolicy", "The execution role is granted the pull."
            )
