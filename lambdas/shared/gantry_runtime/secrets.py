"""JSON secrets in Secrets Manager."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gantry_runtime.failures import SafeError

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient


class SecretError(SafeError):
    """A secret does not hold what it should; the message names it and never its value."""


def read_json(
    client: "SecretsManagerClient", secret_arn: str, *, stage: str = "AWSCURRENT"
) -> dict[str, Any]:
    """Return a version of a secret that holds a JSON object.

    Raises
    ------
    SecretError
        When it holds something else.
    """
    text = client.get_secret_value(SecretId=secret_arn, VersionStage=stage)["SecretString"]
    return parse(text, f"{stage} of {secret_arn}")


def ensure_json(client: "SecretsManagerClient", secret_arn: str, document: Mapping[str, Any]) -> None:
    """Make a JSON object the current version of a secret; a new version only if it changes."""
    if read_json(client, secret_arn) != document:
        client.put_secret_value(SecretId=secret_arn, SecretString=json.dumps(dict(document)))


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
