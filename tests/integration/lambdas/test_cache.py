"""The cache's users and their rotation, on a real Valkey behind TLS."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import valkey
from botocore.exceptions import ClientError

from cache_user.user import CacheUserError
from gantry_runtime.access_strings import CLOSED
from rotation import cache as users
from rotation import wiring
from rotation.cache import NOTICE
from rotation.store import Version
from rotation.strategy import LogInRefusedError, NotRetiredError, RotationError, UnusableVersionError
from sandbox.tls import ensure_authority
from tests.aws import servers
from tests.aws.elasticache import GROUP, User
from tests.aws.rigs import USER_IDS, CacheRig, check_retirement_interrupted
from tests.aws.secrets_manager import STEPS
from tests.aws.transport import Answer, AwsError


@pytest.fixture
def rig(cache: servers.Cache) -> Iterator[CacheRig]:
    made = CacheRig(cache)
    made.come_to_rest()
    yield made
    made.close()


@pytest.fixture
def new(cache: servers.Cache) -> Iterator[CacheRig]:
    """Return a rig as CloudFormation leaves it: the idle user is in the group, and has no rights."""
    made = CacheRig(cache)
    yield made
    made.close()


def current(rig: CacheRig) -> dict[str, Any]:
    document = rig.secret.document("AWSCURRENT")
    assert document is not None
    return document


def user(rig: CacheRig, name: str) -> User:
    return rig.elasticache.users[USER_IDS[name]]


def in_use(rig: CacheRig) -> User:
    return user(rig, current(rig)["username"])


def test_first_user_logs_in_with_the_generated_password(new: CacheRig) -> None:
    assert new.works(current(new))
    assert in_use(new).id == USER_IDS["app"]
    assert user(new, "app_b").access == CLOSED
    assert {each.status for each in new.elasticache.users.values()} == {"active"}


def test_rotation_right_after_the_first_deployment(new: CacheRig) -> None:
    first = current(new)
    new.elasticache.effect = lambda: timedelta(minutes=4)
    new.rotate()
    assert new.works(first)
    assert new.works(current(new))
    new.come_to_rest()
    assert not new.works(first)


def is_ended(client: valkey.Valkey) -> bool:
    """Return whether the server ended the connection of a client, which would make another one by itself."""
    connection: Any = client.connection
    try:
        connection.send_command("GET", "key", check_health=False)
        connection.read_response()
    except valkey.exceptions.ConnectionError:
        return True
    return False


def test_connection_of_a_retired_credential_is_ended_and_does_not_work_again(rig: CacheRig) -> None:
    """Not even when the turn of its user comes again, with another password."""
    with rig.connection(current(rig)) as client:
        client.set("key", "value")
        for _ in range(2):
            rig.rotate()
            rig.come_to_rest()
        assert current(rig)["username"] == "app"
        assert is_ended(client)


def test_idle_user_that_is_in_the_group_leaves_it_before_it_is_turned_on(rig: CacheRig) -> None:
    """As one that was retired by an earlier version of the function, or that a stack update put back."""
    with rig.connection(current(rig)) as client:
        client.set("key", "value")
        rig.rotate()
        rig.come_to_rest()
        rig.elasticache.modify_user_group(GROUP, user_ids_to_add=[USER_IDS["app"]])
        rig.clock.sleep(600)
        with mock.patch.object(rig.elasticache, "effect", return_value=timedelta(minutes=4)):
            rig.rotate()
        assert rig.works(current(rig))
        operations = [name for name, _ in rig.aws.calls if name.startswith("Modify")]
        assert operations[-3:] == ["ModifyUserGroup", "ModifyUser", "ModifyUserGroup"]


def test_change_of_the_access_string_leaves_passwords_and_retired_users_alone(rig: CacheRig) -> None:
    rig.come_to_rest()
    rig.rotate()
    rig.come_to_rest()
    before = {name: list(user(rig, name).passwords) for name in USER_IDS}
    for name in USER_IDS:
        assert rig.request("Update", name, AccessString="on ~app:* +@read") == USER_IDS[name]
    assert user(rig, "app").access == CLOSED
    assert user(rig, "app_b").access == "on ~app:* +@read"
    assert {name: user(rig, name).passwords for name in USER_IDS} == before


def test_creation_that_was_cut_short_is_finished(rig: CacheRig) -> None:
    for name in USER_IDS:
        user(rig, name).passwords, user(rig, name).access = [32 * "?"], "on ~* +@all"
        assert rig.request("Create", name) == USER_IDS[name]
    assert rig.works(current(rig))
    assert user(rig, "app_b").access == CLOSED
    assert user(rig, "app_b").passwords != [32 * "?"]


def test_user_cannot_become_another(rig: CacheRig) -> None:
    """CloudFormation would delete the old one with a role that may only touch the new one."""
    with pytest.raises(CacheUserError, match="gantry-test cannot become another"):
        rig.request("Update", "app", UserId="another", UserName="another")
    assert set(rig.elasticache.users) == set(USER_IDS.values())


def test_deleted_users_are_gone_and_may_be_deleted_again(rig: CacheRig) -> None:
    for name in (*USER_IDS, *USER_IDS):
        rig.request("Delete", name)
    assert rig.elasticache.users == {}
    assert not rig.works(current(rig))


def test_users_take_turns(rig: CacheRig) -> None:
    for name in ("app_b", "app", "app_b"):
        before = current(rig)
        rig.rotate()
        assert current(rig)["username"] == name
        assert rig.works(before)
        assert rig.works(current(rig))
        rig.come_to_rest()
        assert not rig.works(before)
        assert [each.name for each in rig.elasticache.users.values() if each.access != CLOSED] == [name]


def test_open_connection_of_a_retired_credential_can_do_nothing(rig: CacheRig) -> None:
    """Not even before it is ended: Valkey looks its rights up by user at every command."""
    with rig.connection(current(rig)) as client:
        client.set("key", "value")
        rig.rotate()
        assert client.get("key") == b"value"
        with mock.patch.object(rig.elasticache, "modify_user_group", side_effect=AwsError("Throttling")):
            for _ in range(3):
                rig.ecs.complete_deployment()
                with suppress(ClientError):
                    rig.reconcile()
                rig.clock.sleep(600)
        with pytest.raises(valkey.exceptions.NoPermissionError):
            client.get("key")
        with pytest.raises(valkey.exceptions.NoPermissionError):
            client.set("key", "forged")


def test_leaked_version_is_shown_to_open_nothing_once_it_is_retired(rig: CacheRig) -> None:
    rig.secret.attach("LEAKED", str(rig.secret.holder("AWSCURRENT")))
    rig.rotate()
    assert rig.openings("LEAKED")["log-in as app"] == 1
    rig.come_to_rest()
    assert set(rig.openings("LEAKED").values()) == {0}


def test_password_beside_the_current_one_is_retired(new: CacheRig) -> None:
    """Earlier versions of the function rotated two passwords of the first user."""
    first = current(new)
    earlier = {**first, "password": 48 * "1"}
    new.elasticache.modify_user(USER_IDS["app"], passwords=[first["password"], earlier["password"]])
    new.clock.sleep(600)
    assert new.works(earlier)
    new.come_to_rest()
    assert not new.works(earlier)
    assert new.works(first)


def test_current_version_that_was_retired_is_admitted_again(rig: CacheRig) -> None:
    retired = json.dumps(current(rig))
    rig.rotate()
    rig.come_to_rest()
    rig.secret.put("0" * 32, retired, "AWSCURRENT")
    assert not rig.works(current(rig))
    for _ in range(2):  # its rights, and the group
        rig.reconcile()
        rig.clock.sleep(600)
    assert rig.works(current(rig))
    rig.come_to_rest()
    assert user(rig, "app_b").access == CLOSED


def test_change_is_begun_in_one_step_and_waited_for_in_the_next(rig: CacheRig) -> None:
    token = rig.secret.begin_rotation()
    rig.run("createSecret", token)
    rig.run("setSecret", token)
    assert rig.elasticache.group.members == [USER_IDS["app"]]
    rig.run("testSecret", token)
    assert set(rig.elasticache.group.members) == set(USER_IDS.values())


def changes(rig: CacheRig) -> int:
    return sum(operation == "ModifyUser" for operation, _ in rig.aws.calls)


@pytest.mark.parametrize(("seconds", "attempts"), [(30, 1), (62, 1), (240, 1), (590, 1), (1100, 3)])
def test_rotation_waits_as_long_as_elasticache_takes(rig: CacheRig, seconds: int, attempts: int) -> None:
    """Secrets Manager repeats a failed rotation with the same version; what is done is not done again."""
    rig.come_to_rest()
    rig.elasticache.effect = lambda: timedelta(seconds=seconds)
    before = changes(rig)
    token = rig.secret.begin_rotation()
    for attempt in range(1, attempts + 1):
        with ExitStack() as stack:
            if attempt < attempts:
                stack.enter_context(
                    pytest.raises(RotationError, match="is still modifying; the step can be run again")
                )
            for step in STEPS:
                rig.run(step, token)
    assert "AWSCURRENT" in rig.secret.versions[token].labels
    assert changes(rig) == before + 1


def test_change_that_takes_effect_soon_is_found_by_the_look_that_made_it(rig: CacheRig) -> None:
    rig.come_to_rest()
    rig.elasticache.effect = lambda: timedelta(seconds=3)
    rig.rotate()
    rig.ecs.complete_deployment()
    assert rig.reconcile().settled


def test_retirement_that_is_on_its_way_is_no_failure(rig: CacheRig) -> None:
    rig.come_to_rest()
    rig.elasticache.effect = lambda: timedelta(minutes=9)
    rig.rotate()
    rig.ecs.complete_deployment()
    for _ in range(3):
        before = changes(rig)
        report = rig.reconcile()
        rig.clock.sleep(60)
    assert not report.settled
    assert changes(rig) == before
    assert rig.come_to_rest().settled


@pytest.mark.parametrize(
    ("access", "after"), [("on ~* +@all", "on ~app:* +@read"), (CLOSED, CLOSED)], ids=["on", "retired"]
)
def test_stack_update_waits_for_a_rotation_that_comes_between(rig: CacheRig, access: str, after: str) -> None:
    describe, between = rig.elasticache.describe_users, [access]

    def describe_and_be_overtaken(user_id: str) -> Answer:
        answer = describe(user_id)
        if between:
            rig.elasticache.modify_user(user_id, access_string=between.pop())
        return answer

    with mock.patch.object(rig.elasticache, "describe_users", describe_and_be_overtaken):
        rig.request("Update", "app", AccessString="on ~app:* +@read")
    assert user(rig, "app").access == after


def test_user_that_tasks_may_use_is_not_touched(rig: CacheRig) -> None:
    rig.rotate()
    with pytest.raises(NotRetiredError, match="tasks may still log in as app, which is not yet retired"):
        rig.rotate()
    for task in rig.ecs.live_tasks:
        assert rig.works(task.read["secret"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"username": "default"}, "is not for app_b"),
        ({"username": "app"}, "is not for app_b"),
        ({"password": "short"}, "must be ASCII text of 32 to 128 characters"),
        ({"password": 200 * "x"}, "must be ASCII text of 32 to 128 characters"),
    ],
)
def test_version_for_anything_else_is_refused(rig: CacheRig, change: dict[str, Any], reason: str) -> None:
    token = rig.secret.begin_rotation()
    rig.secret.put(token, json.dumps({**rig.successor(), **change}), "AWSPENDING")
    with pytest.raises(UnusableVersionError, match=reason):
        rig.run("setSecret", token)
    rig.rotate()


def test_server_that_nobody_vouches_for_is_not_trusted(rig: CacheRig, tmp_path: Path) -> None:
    stranger = ensure_authority(tmp_path).certificate
    with (
        mock.patch.dict("os.environ", {"SSL_CERT_FILE": str(stranger)}),
        pytest.raises(Exception, match="certificate verify failed"),
    ):
        rig.run("testSecret", rig.secret.begin_rotation())


def test_cache_that_speaks_plain_text_is_not_spoken_to(rig: CacheRig) -> None:
    def greet() -> None:
        with plain.accept()[0] as connection:
            connection.sendall(b"+OK\r\n")

    with socket.create_server(("127.0.0.1", 0)) as plain:
        thread = threading.Thread(target=greet)
        thread.start()
        with rig.reached_at(plain.getsockname()[1]), pytest.raises(Exception, match="SSL"):
            rig.run("testSecret", rig.secret.begin_rotation())
        thread.join()


def test_version_that_was_not_admitted_is_not_made_current(rig: CacheRig) -> None:
    token = rig.secret.begin_rotation()
    rig.run("createSecret", token)
    with pytest.raises(LogInRefusedError, match="does not log in to the cache"):
        rig.run("finishSecret", token)


def test_late_effect_of_a_retirement_does_not_undo_a_rotation_that_begins(rig: CacheRig) -> None:
    """What the retirement asked for happens after it gave up waiting, and after the rotation has begun."""
    rig.rotate()
    rig.ecs.complete_deployment()
    asked: list[dict[str, Any]] = []

    def ask(**params: str) -> Answer:
        asked.append(params)
        raise TimeoutError

    with mock.patch.object(rig.elasticache, "modify_user", ask), pytest.raises(TimeoutError):
        rig.reconcile()
    at_last = rig.clock.now() + NOTICE * 0.9
    token = rig.secret.begin_rotation()
    sleep = rig.clock.sleep

    def sleep_until_it_happens(seconds: float) -> None:
        sleep(seconds)
        if asked and rig.clock.now() >= at_last:
            rig.elasticache.modify_user(**asked.pop())

    with mock.patch.object(rig.clock, "sleep", sleep_until_it_happens):
        for step in STEPS:
            rig.run(step, token)
        sleep_until_it_happens(60)
    assert asked == []
    assert rig.works(current(rig))


def test_retirement_that_took_its_time_after_looking_leaves_the_users_alone(rig: CacheRig) -> None:
    rig.rotate()
    rig.ecs.complete_deployment()
    before = changes(rig)
    describe = rig.elasticache.describe_users

    def describe_slowly(user_id: str) -> Answer:
        rig.clock.sleep(5)
        return describe(user_id)

    with mock.patch.object(rig.elasticache, "describe_users", describe_slowly):
        assert not rig.reconcile().settled
    assert changes(rig) == before
    assert rig.come_to_rest().settled


def test_rotation_waits_for_longer_than_a_retirement_may_take_after_looking() -> None:
    limits = vars(wiring._PROMPT)
    patience = timedelta(seconds=limits["connect_timeout"] + limits["read_timeout"])
    assert limits["retries"] == {"total_max_attempts": 1}
    assert users._HASTE + patience + timedelta(seconds=3) <= NOTICE


def test_user_that_somebody_else_changes_is_not_taken_for_changed(rig: CacheRig) -> None:
    token = rig.secret.begin_rotation()
    rig.run("createSecret", token)
    check = rig.strategy.check

    def change_after_checking(pending: Version, before: Version) -> None:
        check(pending, before)
        rig.elasticache.modify_user(USER_IDS["app_b"], access_string=CLOSED)

    with (
        mock.patch.object(rig.strategy, "check", change_after_checking),
        pytest.raises(RotationError, match="is being changed"),
    ):
        rig.run("setSecret", token)
    rig.rotate()
    assert rig.works(current(rig))


@pytest.mark.parametrize("what", [pytest.param("rotate", marks=pytest.mark.long), "reconcile"])
def test_something_else_in_the_middle_of_a_retirement(rig: CacheRig, what: str) -> None:
    check_retirement_interrupted(rig, getattr(rig, what))
