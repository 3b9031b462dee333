"""JSON secrets in Secrets Manager."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gantry_runtime.failures import SafeError

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient


class SecretError(SafeError):
    """A secret does not hold what it should; the message names it and never its value."""


class SecretMissingError(SecretError):
    """A secret has no version with a label."""


def read_json(
    client: "SecretsManagerClient", secret_arn: str, *, stage: str = "AWSCURRENT"
) -> dict[str, Any]:
    """Return a version of a secret that holds a JSON object.

    Raises
    ------
    SecretError
        When it holds something else, or there is no version with that label.
    """
    try:
        text = client.get_secret_value(SecretId=secret_arn, VersionStage=stage)["SecretString"]
    except client.exceptions.ResourceNotFoundException:
        text = None
    if text is None:
        raise SecretMissingError(f"{secret_arn} has no version with the label {stage}")
    return parse(text, f"{stage} of {secret_arn}")


def put_json(
    client: "SecretsManagerClient", secret_arn: str, document: Mapping[str, Any], *, stage: str = "AWSCURRENT"
) -> str:
    """Add a version of a secret that holds a JSON object, and label it; return its id."""
    text = json.dumps(dict(document))
    return client.put_secret_value(SecretId=secret_arn, SecretString=text, VersionStages=[stage])["VersionId"]


def ensure_json(client: "SecretsManagerClient", secret_arn: str, document: Mapping[str, Any]) -> None:
    """Make a JSON object the current version of a secret; a new version only if it changes."""
    if read_json(client, secret_arn) != document:
        put_json(client, secret_arn, document)


def holders(stages: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the version that holds each label, of what DescribeSecret says of a secret's versions."""
    return {label: version for version, labels in stages.items() for label in labels}


def parse(text: str, name: str) -> dict[str, Any]:
    """Return the JSON object that a secret's text spells.

    Parameters
    ----------
    name
        What to call the text in an error.

    Raises
    ------
    SecretError
        When it spells something else.
    """
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        # Raised outside of the handler: the parser's error carries the text.
        raise SecretError(f"{name} is not a JSON object")
    return document
