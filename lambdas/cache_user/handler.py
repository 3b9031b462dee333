"""`Custom::CacheUser`: makes the application's user of the cache, and leaves its passwords to rotation."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import boto3
from aws_lambda_powertools import Logger

from cache_user.user import CacheUser
from gantry_runtime.clock import Clock
from gantry_runtime.custom_resource import Outcome, answer
from gantry_runtime.secrets import read_json

logger = Logger(service="cache-user")


def handler(event: Mapping[str, Any], _context: object) -> None:
    """Answer CloudFormation's request; the event holds no secret, only the name of one."""
    answer(event, partial(act, clock=Clock()), logger)


def act(event: Mapping[str, Any], *, clock: Clock) -> Outcome:
    """Make, change or delete the user, and wait until that is done.

    Raises
    ------
    CacheUserError
        When it is not done in time.
    """
    properties, client = event["ResourceProperties"], boto3.client("elasticache")
    user_id = properties["UserId"]
    user = CacheUser(client, user_id, clock)
    if event["RequestType"] == "Delete":
        # A user that was never made has the logical id as its physical one.
        CacheUser(client, event["PhysicalResourceId"], clock).delete()
        return Outcome(physical_id=event["PhysicalResourceId"])
    if user_id == event.get("PhysicalResourceId"):
        user.change(access=properties["AccessString"])
    else:
        password = read_json(boto3.client("secretsmanager"), properties["SecretArn"])["password"]
        user.create(name=properties["UserName"], access=properties["AccessString"], password=password)
    return Outcome(physical_id=user_id)
