"""`Custom::CacheUser`: makes the application's user of the cache, and leaves its passwords to rotation."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from gantry_runtime.custom_resource import Outcome, answer
from gantry_runtime.failures import SafeError
from gantry_runtime.secrets import read_json

if TYPE_CHECKING:
    from types_boto3_elasticache import ElastiCacheClient

logger = Logger(service="cache-user")
_ENGINE = "valkey"
_POLL_SECONDS = 2.0
_DEADLINE_SECONDS = 480.0  # under the function's own limit


class CacheUserError(SafeError):
    """The user cannot be brought into the state that was asked for."""


def handler(event: Mapping[str, Any], _context: object) -> None:
    """Answer CloudFormation's request; the event holds no secret, only the name of one."""
    answer(event, act, logger)


def act(event: Mapping[str, Any]) -> Outcome:
    """Make, change or delete the user, and wait until that is done."""
    properties = event["ResourceProperties"]
    user_id = properties["UserId"]
    client = boto3.client("elasticache")
    if event["RequestType"] == "Delete":
        # A user that was never made has the logical id as its physical one.
        _delete(client, str(event["PhysicalResourceId"]))
    elif _status(client, user_id) is None:
        _create(client, properties)
    else:
        _change(client, properties)
    return Outcome(physical_id=event["PhysicalResourceId"] if event["RequestType"] == "Delete" else user_id)


def _create(client: "ElastiCacheClient", properties: Mapping[str, str]) -> None:
    password = read_json(boto3.client("secretsmanager"), properties["SecretArn"])["password"]
    client.create_user(
        UserId=properties["UserId"],
        UserName=properties["UserName"],
        Engine=_ENGINE,
        AccessString=properties["AccessString"],
        Passwords=[password],
    )
    _wait(client, properties["UserId"], "active")


def _change(client: "ElastiCacheClient", properties: Mapping[str, str]) -> None:
    """Change the access string alone: passwords are the rotation's, a list here would replace them."""
    _wait(client, properties["UserId"], "active")
    client.modify_user(UserId=properties["UserId"], AccessString=properties["AccessString"])
    _wait(client, properties["UserId"], "active")


def _delete(client: "ElastiCacheClient", user_id: str) -> None:
    if _status(client, user_id) is None:
        return
    _wait(client, user_id, "active")
    client.delete_user(UserId=user_id)
    _wait(client, user_id, None)


def _wait(client: "ElastiCacheClient", user_id: str, wanted: str | None) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while (status := _status(client, user_id)) != wanted:
        if time.monotonic() > deadline:
            raise CacheUserError(f"the user {user_id} is {status} and did not become {wanted or 'deleted'}")
        time.sleep(_POLL_SECONDS)


def _status(client: "ElastiCacheClient", user_id: str) -> str | None:
    try:
        users = client.describe_users(UserId=user_id)["Users"]
    except client.exceptions.UserNotFoundFault:
        return None
    return users[0]["Status"] if users else None
