"""Answers CloudFormation for custom resources."""

import json
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools import Logger

from gantry_runtime.failures import describe

_REASON_LIMIT = 1000  # a response must stay under 4 KB


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a request.

    Attributes
    ----------
    physical_id
        Identifies the resource; another one than before makes CloudFormation delete the old resource.
    data
        Attributes that templates may read.
    """

    physical_id: str
    data: Mapping[str, str] = field(default_factory=dict)


def answer(event: Mapping[str, Any], act: Callable[[Mapping[str, Any]], Outcome], logger: Logger) -> None:
    """Carry a request out and tell CloudFormation how it ended, whatever happens.

    Without an answer CloudFormation would wait for its time limit, so that every failure is answered, with
    as much of the reason as cannot hold a secret.

    Parameters
    ----------
    event
        CloudFormation's request.
    act
        Carries it out.
    logger
        Records failures.
    """
    physical_id = str(event.get("PhysicalResourceId") or event["LogicalResourceId"])
    body: dict[str, Any] = {"Status": "SUCCESS", "PhysicalResourceId": physical_id}
    try:
        outcome = act(event)
        body |= {"PhysicalResourceId": outcome.physical_id, "Data": dict(outcome.data)}
    except Exception as error:  # noqa: BLE001 - see above
        failure = describe(error)
        logger.error("the request failed", extra={"failure": failure})  # noqa: TRY400 - a trace may quote values
        body |= {"Status": "FAILED", "Reason": failure[:_REASON_LIMIT]}
    body |= {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own presigned address
        event["ResponseURL"], data=json.dumps(body).encode(), headers={"Content-Type": ""}, method="PUT"
    )
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310
        pass
