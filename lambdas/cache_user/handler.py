"""`Custom::CacheUser`: makes one of the application's users of the cache, and leaves it to rotation."""

import secrets
from collections.abc import Mapping
from typing import Any

import boto3
from aws_lambda_powertools import Logger

from cache_user.user import CacheUser, CacheUserError
from gantry_runtime.access_strings import CLOSED
from gantry_runtime.custom_resource import PROMPT, LambdaContext, Request, answer
from gantry_runtime.secrets import read_json

logger = Logger(service="cache-user")


def handler(event: Mapping[str, Any], context: LambdaContext) -> None:
    """Answer CloudFormation's request; the event holds no secret, only the name of one."""
    answer(event, context, act, logger)


def act(request: Request) -> None:
    """Make, change or delete the user, and wait until that is done.

    Raises
    ------
    CacheUserError
        When it is not done in time, or the user would be another one.
    """
    properties = request.properties
    user_id, access = properties["UserId"], properties["AccessString"]
    user = CacheUser(boto3.client("elasticache", config=PROMPT), user_id, request.limit)
    if request.kind == "Delete":
        # With another id than the user's, CloudFormation gave up a Create, which may be running still.
        user.delete(may_come=request.physical_id != user_id)
    elif request.kind == "Update":
        if request.physical_id != user_id:
            raise CacheUserError(f"the user {request.physical_id} cannot become {user_id}")
        user.change(access=access)
    else:
        credentials = read_json(boto3.client("secretsmanager", config=PROMPT), properties["SecretArn"])
        password = credentials["password"]
        if credentials["username"] != properties["UserName"]:
            # Its turn comes with a rotation; until then a password that no one knows.
            access, password = CLOSED, secrets.token_hex(32)
        request.physical_id = user_id
        user.create(name=properties["UserName"], access=access, password=password)
