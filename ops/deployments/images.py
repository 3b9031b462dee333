"""`./gantry images`: which images of the repository are in use, and the removal of the others."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from rich.table import Table

from ops.aws import Environment, connect
from ops.console import CliError, confirm, err, out
from ops.deployments import in_progress
from ops.deployments.connection import Record
from ops.deployments.rollback import last_good

_BATCH = 100  # BatchDeleteImage takes as many
# ECR keeps what a list of images for several processors names, as long as there is the list.
_PART = "ImageReferencedByManifestList"
_NEW = timedelta(days=1)  # a deployment that is about to use it may have no entry yet


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image with a tag, and what needs it; nothing where nothing does."""

    digest: str
    tags: list[str]
    pushed: str
    megabytes: float
    needed_by: str


def list_images(environment: str, *, keep: int, as_json: bool) -> None:
    """Print the images of the repository."""
    found = images(connect(environment), keep=keep)
    if as_json:
        out.print_json(json.dumps([asdict(image) for image in found]))
        return
    _print(found)


def prune(environment: str, *, keep: int, yes: bool) -> None:
    """Remove the images that nothing needs, after asking.

    Raises
    ------
    CliError
        When the answer is no, or an image cannot be removed.
    """
    connected = connect(environment)
    unused = [image for image in images(connected, keep=keep) if not image.needed_by]
    if not unused:
        err.print(f"Every image with a tag is used by a task or by one of the last {keep} deployments.")
        return
    _print(unused)
    confirm(f"Remove {len(unused)} images for good?", yes=yes, otherwise="Nothing was removed")
    name, failures = _repository(connected), list[str]()
    for start in range(0, len(unused), _BATCH):
        # By its digest: an image goes with all its tags.
        answer = connected.ecr.batch_delete_image(
            repositoryName=name,
            imageIds=[{"imageDigest": image.digest} for image in unused[start : start + _BATCH]],
        )
        failures += [
            f"{each['imageId'].get('imageDigest')}: {each.get('failureReason')}"
            for each in answer.get("failures", ())
            if each.get("failureCode") != _PART
        ]
    if failures:
        raise CliError(f"Not every image was removed: {'; '.join(failures)}")
    err.print(f"Removed {len(unused)} images, but for those that are part of another one.")


def images(environment: Environment, *, keep: int) -> list[Image]:
    """Return the images with a tag, the newest first.

    Parameters
    ----------
    environment
        The environment.
    keep
        How many of the last deployments need theirs.
    """
    needed = dict(_needed(environment, keep=keep))
    name = _repository(environment)
    pages = environment.ecr.get_paginator("describe_images").paginate(
        repositoryName=name, filter={"tagStatus": "TAGGED"}
    )
    found = []
    for page in pages:
        for image in page["imageDetails"]:
            identities = [image["imageDigest"], *(f"{name}:{tag}" for tag in image["imageTags"])]
            is_new = image["imagePushedAt"] > datetime.now(UTC) - _NEW
            found.append(
                Image(
                    digest=image["imageDigest"],
                    tags=image["imageTags"],
                    pushed=image["imagePushedAt"].isoformat(timespec="seconds"),
                    megabytes=round(image.get("imageSizeInBytes", 0) / 1e6, 1),
                    needed_by=next(
                        (needed[each] for each in identities if each in needed),
                        "pushed in the last 24 hours" if is_new else "",
                    ),
                )
            )
    return sorted(found, key=lambda image: image.pushed, reverse=True)


def _repository(environment: Environment) -> str:
    return environment.outputs("state")["RepositoryUri"].partition("/")[2]


def _needed(environment: Environment, *, keep: int) -> Iterator[tuple[str, str]]:
    """Yield digests, and names with tags, of what is needed, with what needs it."""
    entries = Record(environment).ledger.entries()
    good = last_good(entries, lambda _: False)
    for entry in [*([good] if good else []), *reversed(entries[:keep])]:
        by = f"deployment {entry.id}"
        yield from ((each, by) for each in _identities(entry.start.image))
        if entry.outcome and entry.outcome.digest:
            yield entry.outcome.digest, by
    if service := in_progress.service(environment):
        definition = environment.ecs.describe_task_definition(taskDefinition=service["taskDefinition"])
        for defined in definition["taskDefinition"]["containerDefinitions"]:
            yield from ((each, "the service") for each in _identities(defined.get("image", "")))
    for task in in_progress.tasks(environment):
        for container in task["containers"]:
            by = f"task {task['taskArn'].rsplit('/', 1)[-1][:12]}"
            yield from ((each, by) for each in _identities(container.get("image", "")))
            if "imageDigest" in container:
                yield container["imageDigest"], by


def _identities(image: str) -> Iterator[str]:
    """Yield how a reference names an image: by its digest, or by repository and tag."""
    reference, _, digest = image.partition("@")
    if digest:
        yield digest
    yield reference.partition("/")[2]


def _print(found: list[Image]) -> None:
    table = Table("Tags", "Pushed", "MB", "Needed by", box=None)
    for image in found:
        table.add_row(
            ", ".join(image.tags), image.pushed[:16], f"{image.megabytes:.0f}", image.needed_by or "nothing"
        )
    out.print(table)
