"""The same behaviour of AWS, asked of the models that unit tests use, of the sandbox, and of an account.

An account is asked when `GANTRY_CONTRACT_PROFILE` names a profile of the AWS configuration. The tests make a
secret, two users, a user group and stacks of log groups there, which cost next to nothing, and remove them.
Of ECS they ask a service that may be deployed, `GANTRY_CONTRACT_SERVICE=<cluster>/<service>`.

The model of RDS Proxy has no counterpart in the sandbox, where no proxy is.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.aws import servers
from tests.aws.ecs import CLUSTER, SERVICE, Ecs
from tests.aws.elasticache import ElastiCache
from tests.aws.secrets_manager import Secret, SecretsManager
from tests.aws.transport import Aws, Interruptions, SimulatedClock
from tests.integration.sandbox.conftest import emulator
from tests.integration.sandbox.emulator import Emulator, template, wait_until

__all__ = ["emulator"]

PROFILE = os.environ.get("GANTRY_CONTRACT_PROFILE")
FAKE_SERVICE = Path(__file__).parents[1] / "integration" / "tasks" / "fake_service.py"
ECS_SERVICE = os.environ.get("GANTRY_CONTRACT_SERVICE")


@dataclass(frozen=True)
class Service:
    """A client of a service, and how to wait for what takes time there."""

    client: Any
    wait_until: Callable[[Callable[[], bool]], None]


@pytest.fixture(params=["model", "sandbox", *(["account"] if PROFILE else [])])
def side(request: pytest.FixtureRequest) -> str:
    """Who answers for AWS."""
    return str(request.param)


def of_models(
    models: dict[str, object],
    clock: SimulatedClock,
    name: str,
    *,
    happens: Callable[[], None] = lambda: None,
) -> Iterator[Service]:
    """Give a client of a model; after an hour something may have happened that the model leaves to tests."""
    aws = Aws(models, clock=clock, interruptions=Interruptions())

    def wait(condition: Callable[[], bool]) -> None:
        clock.sleep(3600)
        happens()
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


@pytest.fixture
def ecs(side: str, request: pytest.FixtureRequest) -> Iterator[tuple[Service, str, str]]:
    """ECS, a cluster and a service in it that is at rest."""
    if side == "model":
        clock = SimulatedClock()
        model = Ecs({}, clock)
        for service in of_models({"ecs": model}, clock, "ecs", happens=model.complete_deployment):
            yield service, CLUSTER, SERVICE
        return
    service = of_aws(side, request, "ecs")
    if side == "account":
        if ECS_SERVICE is None:
            pytest.skip("GANTRY_CONTRACT_SERVICE names no service")
        cluster, _, name = ECS_SERVICE.partition("/")
        yield service, cluster, name
        return
    emulator: Emulator = request.getfixturevalue("emulator")
    with emulator.deployed("contract", _SERVICE_STACK):
        yield service, "contract", "web"


_CONTAINER = {"Name": "web", "Image": "service", "Command": ["python", "-c", FAKE_SERVICE.read_text()]}
_SERVICE_STACK = template(
    {
        "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "contract"}},
        "Task": {
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": {
                "Family": "contract",
                "ContainerDefinitions": [_CONTAINER],
                "Cpu": "256",
                "Memory": "512",
                "NetworkMode": "awsvpc",
            },
        },
        "Service": {
            "Type": "AWS::ECS::Service",
            "Properties": {
                "ServiceName": "web",
                "Cluster": {"Ref": "Cluster"},
                "TaskDefinition": {"Ref": "Task"},
                "DesiredCount": 2,
                "LaunchType": "FARGATE",
            },
        },
    }
)


@pytest.fixture
def cloudformation(request: pytest.FixtureRequest) -> Iterator[tuple[Service, Service, str]]:
    """CloudFormation, CloudWatch Logs, and a name that begins those of all that a test makes."""
    side = "account" if request.param == "account" else "sandbox"
    service, logs = (of_aws(side, request, name) for name in ("cloudformation", "logs"))
    name = f"gantry-contract-{uuid.uuid4().hex[:8]}"
    yield service, logs, name
    for group in logs.client.describe_log_groups(logGroupNamePrefix=name)["logGroups"]:
        logs.client.delete_log_group(logGroupName=group["logGroupName"])
