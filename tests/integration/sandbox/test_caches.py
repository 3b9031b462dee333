"""ElastiCache of the sandbox: a real Valkey whose users are ElastiCache's."""

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import valkey
from valkey.backoff import NoBackoff
from valkey.retry import Retry

from sandbox.processes import ProcessIdentity
from tests.integration.sandbox.emulator import Emulator, template, wait_until

FIRST, SECOND, THIRD = ("first-password-of-16", "second-password-of-16", "third-password-of-16")


@dataclass(frozen=True)
class Cache:
    """A deployed cache and its user."""

    emulator: Emulator
    address: str
    port: int

    @property
    def client(self) -> Any:  # noqa: ANN401 - boto3 makes the clients' classes
        return self.emulator.client("elasticache")

    def connect(self, password: str) -> valkey.Valkey:
        return valkey.Valkey(
            host=self.address, port=self.port, username="app", password=password, ssl=True,
            ssl_ca_certs=str(self.emulator.state_dir / "tls" / "ca.pem"),
            single_connection_client=True, retry=Retry(NoBackoff(), 0),
        )  # fmt: skip

    def logs_in(self, password: str) -> bool:
        try:
            with self.connect(password) as connection:
                return bool(connection.ping())
        except valkey.AuthenticationError:
            return False

    def modify(self, **changes: object) -> None:
        """Change the user, and wait until that has taken effect."""
        assert self.client.modify_user(UserId="app-user", **changes)["Status"] == "modifying"
        wait_until(lambda: self.status() == "active")

    def status(self) -> str:
        return str(self.client.describe_users(UserId="app-user")["Users"][0]["Status"])

    def group_status(self) -> str:
        return str(self.client.describe_user_groups(UserGroupId="group")["UserGroups"][0]["Status"])


@pytest.fixture(scope="module")
def cache(emulator: Emulator) -> Iterator[Cache]:
    client = emulator.client("elasticache")
    user = client.create_user(
        UserId="app-user", UserName="app", Engine="valkey", AccessString="on ~* &* +@all", Passwords=[FIRST]
    )
    assert user["Status"] == "creating"
    wait_until(lambda: client.describe_users(UserId="app-user")["Users"][0]["Status"] == "active")
    resources = {
        "Group": {
            "Type": "AWS::ElastiCache::UserGroup",
            "Properties": {"UserGroupId": "group", "Engine": "valkey", "UserIds": ["app-user"]},
        },
        "Cache": {
            "Type": "AWS::ElastiCache::ServerlessCache",
            "Properties": {
                "ServerlessCacheName": "cache", "Engine": "valkey", "UserGroupId": {"Ref": "Group"},
            },
        },
    }  # fmt: skip
    outputs = {
        "Address": {"Fn::GetAtt": ["Cache", "Endpoint.Address"]},
        "Port": {"Fn::GetAtt": ["Cache", "Endpoint.Port"]},
    }
    with emulator.deployed("cache", template(resources, **outputs)) as values:
        yield Cache(emulator, values["Address"], int(values["Port"]))
    client.delete_user(UserId="app-user")


def test_the_endpoint_is_a_server_with_verified_tls_and_the_groups_users(cache: Cache) -> None:
    assert cache.logs_in(FIRST)
    assert not cache.logs_in("another-password-of-16")
    described = cache.client.describe_serverless_caches(ServerlessCacheName="cache")["ServerlessCaches"][0]
    assert described["Status"] == "available"
    assert described["Endpoint"] == {"Address": cache.address, "Port": cache.port}


def test_a_user_has_the_passwords_that_were_given_last(cache: Cache) -> None:
    cache.modify(Passwords=[SECOND, FIRST])
    assert cache.logs_in(FIRST)
    assert cache.logs_in(SECOND)
    assert cache.client.describe_users(UserId="app-user")["Users"][0]["Authentication"]["PasswordCount"] == 2
    cache.modify(Passwords=[SECOND])
    assert not cache.logs_in(FIRST)
    cache.modify(AccessString="on ~* &* +@all -@dangerous")
    assert cache.logs_in(SECOND)
    cache.modify(Passwords=[FIRST])


def test_an_open_connection_has_the_rights_that_its_user_has_now(cache: Cache) -> None:
    with cache.connect(FIRST) as connection:
        connection.set("key", "value")
        cache.modify(AccessString="off -@all", Passwords=[SECOND])
        assert not cache.logs_in(SECOND)
        with pytest.raises(valkey.exceptions.NoPermissionError):
            connection.get("key")
    cache.modify(AccessString="on ~* &* +@all", Passwords=[FIRST])
    assert cache.logs_in(FIRST)


def test_a_user_that_leaves_the_group_loses_its_connections(cache: Cache) -> None:
    with cache.connect(FIRST) as connection:
        connection.ping()
        for change in ("Remove", "Add"):
            cache.client.modify_user_group(UserGroupId="group", **{f"UserIdsTo{change}": ["app-user"]})
            wait_until(lambda: cache.group_status() == "active")
        with pytest.raises(valkey.ConnectionError):
            connection.ping()
    assert cache.logs_in(FIRST)


def test_a_change_of_the_group_that_is_none_in_part_is_refused_as_a_whole(cache: Cache) -> None:
    faults = cache.client.exceptions
    for changes, fault in (
        ({"UserIdsToRemove": ["app-user", "app-user-2"]}, faults.UserNotFoundFault),
        ({"UserIdsToAdd": ["app-user"]}, faults.DuplicateUserNameFault),
    ):
        with pytest.raises(fault):
            cache.client.modify_user_group(UserGroupId="group", **changes)
    assert cache.group_status() == "active"
    remove = {"UserGroupId": "group", "UserIdsToRemove": ["app-user"]}
    cache.client.modify_user_group(**remove)
    wait_until(lambda: cache.group_status() == "active")
    with pytest.raises(faults.InvalidParameterValueException, match="not a member of user group"):
        cache.client.modify_user_group(**remove)
    cache.client.modify_user_group(UserGroupId="group", UserIdsToAdd=["app-user"])
    wait_until(lambda: cache.group_status() == "active")
    assert cache.logs_in(FIRST)


def test_a_third_password_and_a_short_one_are_refused(cache: Cache) -> None:
    for passwords in ([FIRST, SECOND, THIRD], ["short"]):
        with pytest.raises(cache.client.exceptions.InvalidParameterValueException):
            cache.client.modify_user(UserId="app-user", Passwords=passwords)
    assert cache.logs_in(FIRST)


def test_a_change_while_another_takes_effect_is_refused(cache: Cache) -> None:
    cache.client.modify_user(UserId="app-user", Passwords=[FIRST])
    with pytest.raises(cache.client.exceptions.InvalidUserStateFault):
        cache.client.modify_user(UserId="app-user", Passwords=[SECOND])
    wait_until(lambda: cache.status() == "active")
    assert cache.logs_in(FIRST)


def test_a_server_that_dies_is_started_again(cache: Cache) -> None:
    (file,) = (cache.emulator.state_dir / "valkey").glob("*.cache/process.json")
    killed = ProcessIdentity.load(file)
    assert killed is not None
    killed.signal(signal.SIGKILL)
    wait_until(lambda: ProcessIdentity.load(file) != killed)
    wait_until(lambda: answers(cache))
    assert cache.emulator.sandbox.problems() == []


def answers(cache: Cache) -> bool:
    with contextlib.suppress(valkey.ConnectionError):
        return cache.logs_in(FIRST)
    return False


def test_the_server_is_gone_with_the_cache(emulator: Emulator) -> None:
    resource = {
        "Type": "AWS::ElastiCache::ServerlessCache",
        "Properties": {"ServerlessCacheName": "short-lived", "Engine": "valkey"},
    }
    with emulator.deployed("short-lived", template({"Cache": resource})):
        ports = emulator.sandbox.status().ports
        assert any("short-lived" in name for name in ports)
        assert list((emulator.state_dir / "valkey").glob("*short-lived"))
    assert not any("short-lived" in name for name in emulator.sandbox.status().ports)
    assert not list((emulator.state_dir / "valkey").glob("*short-lived"))
