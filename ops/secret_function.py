"""Calls of the functions that change secrets, which answer with JSON or say why they failed."""

import json
from collections.abc import Mapping
from typing import Any

from ops.aws import Environment
from ops.console import CliError


class FunctionError(CliError):
    """A function failed; the message is what it says of that."""


def call(environment: Environment, name: str, event: Mapping[str, str], *, again: str) -> dict[str, Any]:
    """Call a function and wait for its answer.

    Parameters
    ----------
    name
        The function's name or ARN.
    again
        The command to run once the cause of a failure is gone.

    Raises
    ------
    FunctionError
        When it fails.
    """
    answer = environment.functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    document: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise FunctionError(
            f"The function {name.rpartition(':')[2]} fails: {document.get('errorMessage', document)}",
            remedy=f"docs/rotation.md says what each failure means. Remove its cause; then run `{again}`.",
        )
    return document
