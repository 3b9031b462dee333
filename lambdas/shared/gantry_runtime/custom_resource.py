"""Answers CloudFormation for custom resources.

Whatever a Create came to, CloudFormation sends a Delete when it rolls back: with the physical id of the
answer ("Custom resource request and response reference" in the CloudFormation User Guide), or with one that
it generated when it gave up the Create before the answer, because another resource had failed or the function
did not answer in time.
"""

import json
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from botocore.config import Config

from gantry_runtime.clock import Clock, TimeLimit
from gantry_runtime.failures import describe

NOT_MADE = "Gantry::NotMade"
# What the last call to AWS and the answer may take at the end of the function's time.
ANSWER_SECONDS = 120
PROMPT = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})
_PUT_SECONDS = 30
_REASON_LIMIT = 1000  # a response must stay under 4 KB


class LambdaContext(Protocol):
    """What Lambda passes to a function about its invocation, as far as it is used."""

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the function has left to run."""


@dataclass(kw_only=True)
class Request:
    """A request of CloudFormation.

    Attributes
    ----------
    kind
        ``Create``, ``Update`` or ``Delete``.
    properties
        What the template says of the resource.
    physical_id
        Identifies the resource to CloudFormation. A Create sets it before it makes anything: if it fails
        earlier there is nothing to delete, and if later the Delete must find what was made.
    limit
        The time within which the request must be carried out.
    """

    kind: str
    properties: Mapping[str, Any]
    physical_id: str = NOT_MADE
    limit: TimeLimit


def answer(
    event: Mapping[str, Any],
    context: LambdaContext,
    act: Callable[[Request], None],
    logger: Logger,
    clock: Clock | None = None,
) -> None:
    """Carry a request out and report its end to CloudFormation, whatever happens.

    Without an answer CloudFormation would wait for its time limit, so that every failure is answered, with
    as much of the reason as cannot hold a secret.

    Parameters
    ----------
    event
        CloudFormation's request.
    context
        Of the invocation.
    act
        Carries the request out; never called for what was not made.
    logger
        Records failures.
    clock
        Clock; by default the machine's.
    """
    request = Request(
        kind=event["RequestType"],
        properties=event["ResourceProperties"],
        physical_id=str(event.get("PhysicalResourceId") or NOT_MADE),
        limit=TimeLimit(clock or Clock(), context.get_remaining_time_in_millis() / 1000 - ANSWER_SECONDS),
    )
    body: dict[str, Any] = {"Status": "SUCCESS"}
    try:
        if (request.kind, request.physical_id) != ("Delete", NOT_MADE):
            act(request)
    except Exception as error:  # noqa: BLE001 - see above
        failure = describe(error)
        logger.error("the request failed", extra={"failure": failure})  # noqa: TRY400 - a trace may quote values
        body |= {"Status": "FAILED", "Reason": failure[:_REASON_LIMIT]}
    body |= {"PhysicalResourceId": request.physical_id}
    body |= {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    _put(event["ResponseURL"], json.dumps(body).encode())


def _put(url: str, body: bytes) -> None:
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own presigned address
        url, data=body, headers={"Content-Type": ""}, method="PUT"
    )
    with urllib.request.urlopen(request, timeout=_PUT_SECONDS):  # noqa: S310
        pass
