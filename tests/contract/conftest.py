"""The same behaviour of AWS, asked of the models that unit tests use, of the sandbox, and of an account.

An account is asked when `GANTRY_CONTRACT_PROFILE` names a profile of the AWS configuration: the tests make a
secret, two users and a user group there, which cost next to nothing, and remove them.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from tests.aws import servers
from tests.aws.elasticache import ElastiCache
from tests.aws.secrets_manager import Secret, SecretsManager
from tests.aws.transport import Aws, Interruptions, SimulatedClock
from tests.integration.sandbox.conftest import emulator
from tests.integration.sandbox.emulator import wait_until

__all__ = ["emulator"]

PROFILE = os.environ.get("GANTRY_CONTRACT_PROFILE")


@dataclass(frozen=True)
class Service:
    """A client of a service, and how to wait for what takes time there."""

    client: Any
    wait_until: Callable[[Callable[[], bool]], None]


@pytest.fixture(params=["model", "sandbox", *(["account"] if PROFILE else [])])
def side(request: pytest.FixtureRequest) -> str:
    """Who answers for AWS."""
    return str(request.param)


def of_models(models: dict[str, object], clock: SimulatedClock, name: str) -> Iterator[Service]:
    aws = Aws(models, clock=clock, interruptions=Interruptions())

    def wait(condition: Callable[[], bool]) -> None:
        clock.sleep(3600)
        assert condition()

    yield Service(aws.client(name), wait)
    aws.close()


def of_aws(side: str, request: pytest.FixtureRequest, name: str) -> Service:
    if side == "sandbox":
        return Service(request.getfixturevalue("emulator").client(name), wait_until)
    return Service(boto3.Session(profile_name=PROFILE).client(name), wait_until)  # type: ignore[call-overload]


@pytest.fixture
def secrets_manager(side: str, request: pytest.FixtureRequest) -> Iterator[tuple[Service, str]]:
    """Secrets Manager and the ARN of a secret with one version."""
    if side == "model":
        clock = SimulatedClock()
        secret = Secret("contract", {"key": "1"}, clock)
        for service in of_models({"secretsmanager": SecretsManager(secret)}, clock, "secretsmanager"):
            yield service, secret.arn
        return
    service = of_aws(side, request, "secretsmanager")
    name = f"gantry-contract-{uuid.uuid4().hex}"
    arn = service.client.create_secret(Name=name, SecretString='{"key": "1"}')["ARN"]
    yield service, arn
    service.client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


@pytest.fixture
def elasticache(
    side: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, str, list[str]]]:
    """ElastiCache, the name of a user group, and two users, of whom the first is in it."""
    if side == "model":
        clock = SimulatedClock()
        with servers.cache(tmp_path_factory.mktemp("cache")) as cache:
            model = ElastiCache(cache.server, clock)
            for service in of_models({"elasticache": model}, clock, "elasticache"):
                users = _make_users(service, "gantry-test")
                model.create_group(users[0])
                yield service, "gantry-test", users
        return
    service, name = of_aws(side, request, "elasticache"), f"gantry-{uuid.uuid4().hex[:8]}"
    users = _make_users(service, name)
    service.client.create_user_group(UserGroupId=name, Engine="valkey", UserIds=users[:1])
    service.wait_until(lambda: _is_active(service, name))
    yield service, name, users
    service.wait_until(lambda: _is_active(service, name))
    service.client.delete_user_group(UserGroupId=name)
    for user in users:
        service.client.delete_user(UserId=user)


def _make_users(service: Service, name: str) -> list[str]:
    users = [f"{name}-{letter}" for letter in "ab"]
    for user in users:
        service.client.create_user(
            UserId=user, UserName=user, Engine="valkey", AccessString="on ~* +@all", Passwords=["p" * 32]
        )
    for user in users:
        service.wait_until(lambda user=user: _user_status(service, user) == "active")  # type: ignore[misc]
    return users


def _is_active(service: Service, group: str) -> bool:
    (found,) = service.client.describe_user_groups(UserGroupId=group)["UserGroups"]
    return bool(found["Status"] == "active")


def _user_status(service: Service, user: str) -> str:
    (found,) = service.client.describe_users(UserId=user)["Users"]
    return str(found["Status"])
