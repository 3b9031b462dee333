"""What keeps an earlier assembly from being deployed again."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError

from contract.service import OLDEST_SCHEMA_LABEL, SCHEMA_LABEL
from ops.assembly import imports
from ops.aws import Environment
from ops.console import CliError, err
from ops.deployments.changes import service_containers
from ops.deployments.order import exports
from ops.replacements import Template

_ECR = re.compile(
    r"(?P<account>\d{12}|)\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z]+(?:-[a-z]+)+-\d)?[^/\"]*/"
    r"(?P<repository>[^:@\"]+)(?::(?P<tag>[^@\"]+))?(?:@(?P<digest>sha256:\w+))?"
)
_GONE = frozenset({"ImageNotFoundException", "RepositoryNotFoundException"})


@dataclass(frozen=True, kw_only=True)
class Schema:
    """What a version says of the database's schema: which it makes, and which versions can live with that.

    Attributes
    ----------
    version
        Of the schema, after its migrations.
    oldest
        The oldest version that goes on working on that schema.
    """

    version: int
    oldest: int


def schema(templates: Mapping[str, Template]) -> Schema | None:
    """Return what a version declares of its schema; nothing where it declares nothing."""
    labels: Mapping[str, str] = {}
    for container in service_containers(templates):
        labels = container.get("DockerLabels", {})
    if SCHEMA_LABEL not in labels:
        return None
    return Schema(version=int(labels[SCHEMA_LABEL]), oldest=int(labels[OLDEST_SCHEMA_LABEL]))


def refuse(environment: Environment, before: Mapping[str, Template], after: Mapping[str, Template]) -> None:
    """Refuse templates that would harm, or could not be deployed.

    Parameters
    ----------
    environment
        Where they would go.
    before
        What is deployed.
    after
        What would be.

    Raises
    ------
    CliError
        With every reason, and what to do instead.
    """
    reasons = [
        *_another_database(before, after),
        *_missing_exports(environment, before, after),
        *_newer_schema(before, after),
        *_missing_images(environment, after),
    ]
    if reasons:
        lines = "\n".join(f"  {reason}" for reason, _ in reasons)
        ways = " ".join(dict.fromkeys(way for _, way in reasons))
        raise CliError(f"This version cannot be deployed again; nothing was changed:\n{lines}", remedy=ways)


def _another_database(
    before: Mapping[str, Template], after: Mapping[str, Template]
) -> Iterator[tuple[str, str]]:
    now, then = _database(before), _database(after)
    if now is not None and then is not None and now != then:
        yield (
            "it used another database than the service uses today: what was written since would be missing",
            "Deploy today's code with the older image: `./gantry deploy --image …`.",
        )


def _database(templates: Mapping[str, Template]) -> object:
    """Return what the service's container is given as the database's host."""
    for container in service_containers(templates):
        for variable in container.get("Environment", ()):
            if variable["Name"] == "DATABASE_HOST":
                return variable["Value"]
    return None


def _missing_exports(
    environment: Environment, before: Mapping[str, Template], after: Mapping[str, Template]
) -> Iterator[tuple[str, str]]:
    """Yield imports that no stack exports, then or now: a deployment of theirs fails half-way."""
    made = exports({**before, **after})
    for stack, template in after.items():
        for name in sorted(
            {each for each in imports(template.get("Resources", {})) if ":" not in each} - made
        ):
            if not _is_exported(environment, name):
                yield (
                    f"{stack} imports {name}, which no stack exports any more",
                    "Deploy the commit that it came from: `git checkout` it and run `./gantry deploy`.",
                )


def _is_exported(environment: Environment, name: str) -> bool:
    pages = environment.cloudformation.get_paginator("list_exports").paginate()
    return any(export["Name"] == name for page in pages for export in page["Exports"])


def _newer_schema(before: Mapping[str, Template], after: Mapping[str, Template]) -> Iterator[tuple[str, str]]:
    now, then = schema(before), schema(after)
    if now is not None and then is not None and then.version < now.oldest:
        yield (
            f"it was made for schema {then.version}, and the database has schema {now.version}, "
            f"with which only versions from {now.oldest} on can live",
            "Repair forwards, or restore the database to before the migration.",
        )


def _missing_images(environment: Environment, after: Mapping[str, Template]) -> Iterator[tuple[str, str]]:
    for image in sorted(set(_images(after))):
        try:
            environment.client("ecr", image.region or None).describe_images(
                registryId=image.account or environment.settings.account,
                repositoryName=image.repository,
                imageIds=[{"imageDigest": image.digest} if image.digest else {"imageTag": image.tag}],
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                yield (
                    f"its image is gone: {image.repository} has no {image.tag or image.digest}",
                    "Build it again from the commit of the entry: `./gantry history` shows it.",
                )
            else:
                err.print(f"Whether {image.repository} has the image is not known: {error}", markup=False)


@dataclass(frozen=True, order=True)
class _Image:
    """An image in Amazon ECR; without an account in the environment's own."""

    account: str
    region: str
    repository: str
    tag: str
    digest: str


def _images(templates: Mapping[str, Template]) -> Iterator[_Image]:
    for container in service_containers(templates):
        for found in _ECR.finditer(json.dumps(container["Image"])):
            yield _Image(*(part or "" for part in found.groups()))
