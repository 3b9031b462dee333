"""What handlers of ministack take and return."""

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response

Response = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""
Action = Callable[[dict[str, Any]], Response]
"""Takes the parameters of an API's action."""

BAD_REQUEST = 400


def failed(response: Response) -> bool:
    """Return whether a response is an error."""
    return response[0] >= BAD_REQUEST


def answer(members: dict[str, Any]) -> Response:
    """Return a successful response of a JSON API."""
    response: Response = json_response(members)
    return response


def error(code: str, text: str) -> Response:
    """Return an error of a JSON API."""
    response: Response = error_response_json(code, text)
    return response


def message(response: Response) -> str:
    """Return the message of a JSON API's error."""
    return str(json.loads(response[2])["message"])
