"""The image that the tasks would run: is there one, and is it for their processor."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from ops import preflight
from ops.checks.context import Deployment
from ops.checks.results import Result, failed, ok, unknown
from ops.console import CliError
from stacks.settings.images import EcrRepository, parts

_PAGE = "docs/operations.md, `Images`"
# As images call the processors of tasks.
_ARCHITECTURES = {"arm64": "arm64", "x86_64": "amd64"}
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


def engine(context: Deployment) -> Iterator[Result]:
    """Yield whether this machine can build the image, where it is built from service/."""
    architecture = context.settings.ecs.cpu_architecture
    if context.settings.container_image is not None:
        return
    try:
        preflight.check_engine(architecture)
    except CliError as error:
        yield failed("image build", error.message, error.remedy or "")
    else:
        yield ok("image build", f"This machine can build service/ for {architecture}.")


def pushed(context: Deployment) -> Iterator[Result]:
    """Yield whether a named image is in its repository, for the processor of the tasks."""
    name, repository = context.settings.container_image, context.settings.ecr_repository
    if name is None:
        return
    if repository is None:
        reason = f"{name} is in no repository of Amazon ECR: what it is only its own registry says."
        yield unknown("image", reason)
        return
    manifest = _manifest(context, repository, parts(name))
    if manifest is None:
        yield failed("image", f"There is no {name}.", f"Push it, or name another one: {_PAGE}.")
        return
    wanted = _ARCHITECTURES[context.settings.ecs.cpu_architecture]
    found = _architectures(context, repository, manifest)
    evidence = f"{name} is there, for {', '.join(sorted(found))}; the tasks need {wanted}."
    yield ok("image", evidence) if wanted in found else failed("image", evidence, _PAGE)


def _of(repository: EcrRepository) -> dict[str, str]:
    return {"registryId": repository.account, "repositoryName": repository.name}


def _manifest(
    context: Deployment, repository: EcrRepository, identity: Mapping[str, str]
) -> dict[str, Any] | None:
    answer = context.client("ecr", repository.region).batch_get_image(
        **_of(repository), imageIds=[identity], acceptedMediaTypes=[*_INDEXES, *_MANIFESTS]
    )
    found: list[dict[str, Any]] = [json.loads(each["imageManifest"]) for each in answer["images"]]
    return found[0] if found else None


def _architectures(context: Deployment, repository: EcrRepository, manifest: Mapping[str, Any]) -> set[str]:
    """Return what an image is for: an index lists it, and a single image has it in its configuration."""
    if "manifests" in manifest:
        return {each["platform"]["architecture"] for each in manifest["manifests"] if "platform" in each}
    layer = context.client("ecr", repository.region).get_download_url_for_layer(
        **_of(repository), layerDigest=manifest["config"]["digest"]
    )
    try:
        with urllib.request.urlopen(layer["downloadUrl"], timeout=15) as response:  # noqa: S310 - AWS's own
            return {json.load(response)["architecture"]}
    except (OSError, ValueError, KeyError) as error:
        raise CliError(f"The image's configuration cannot be read: {error}.") from error
