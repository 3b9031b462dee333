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
from rotation import wiring
from rotation.cache import ANNOUNCEMENT_DELAY
from rotation.cache_changes import WRITE_WINDOW, Change
from rotation.store import Version
from rotation.strategy import LogInRefusedError, NotRetiredError, RotationError, UnusableVersionError
from sandbox.tls import ensure_authority
from tests.aws import servers
from tests.aws.elasticache import GROUP, User
from tests.aws.harness import USER_IDS, CacheHarness, check_retirement_interrupted
from tests.aws.secrets_manager import STEPS
from tests.aws.transport import Answer, AwsError


@pytest.fixture
def harness(cache: servers.Cache) -> Iterator[CacheHarness]:
    made = CacheHarness(cache)
    made.reconcile_fully()
    yield made
    made.close()


@pytest.fixture
def new(cache: servers.Cache) -> Iterator[CacheHarness]:
    """Return a harness as CloudFormation leaves it: the idle user is in the group, and has no rights."""
    made = CacheHarness(cache)
    yield made
    made.close()


def current(harness: CacheHarness) -> dict[str, Any]:
    document = harness.secret.document("AWSCURRENT")
    assert document is not None
    return document


def user(harness: CacheHarness, name: str) -> User:
    return harness.elasticache.users[USER_IDS[name]]


def in_use(harness: CacheHarness) -> User:
    return user(harness, current(harness)["username"])


def test_first_user_logs_in_with_the_generated_password(new: CacheHarness) -> None:
    assert new.authenticates(current(new))
    assert in_use(new).id == USER_IDS["app"]
    assert user(new, "app_b").access == CLOSED
    assert {each.status for each in new.elasticache.users.values()} == {"active"}


def test_invocation_that_another_one_overtook_leaves_the_user_in_the_group(new: CacheHarness) -> None:
    """Secrets Manager may run a step again while the invocation before still runs."""
    token = new.secret.begin_rotation()
    new.run("createSecret", token)
    find = new.strategy.next_change  # type: ignore[attr-defined]

    def find_and_be_overtaken(version: Version, *, idle: bool) -> Change:
        change: Change = find(version, idle=idle)
        with mock.patch.object(new.strategy, "next_change", find):
            new.rotate()
        return change

    with (
        mock.patch.object(new.strategy, "next_change", find_and_be_overtaken),
        pytest.raises(RotationError, match="answers slowly"),
    ):
        new.run("setSecret", token)
    new.clock.sleep(600)
    new.elasticache.finish_changes()
    assert new.secret.holder("AWSCURRENT") == token
    assert new.authenticates(current(new))
    new.run("setSecret", token)


def test_rotation_right_after_the_first_deployment(new: CacheHarness) -> None:
    first = current(new)
    new.elasticache.effect = lambda: timedelta(minutes=4)
    new.rotate()
    assert new.authenticates(first)
    assert new.authenticates(current(new))
    new.reconcile_fully()
    assert not new.authenticates(first)


def is_ended(client: valkey.Valkey) -> bool:
    """Return whether the server ended the connection of a client, which would make another one by itself."""
    connection: Any = client.connection
    try:
        connection.send_command("GET", "key", check_health=False)
        connection.read_response()
    except valkey.exceptions.ConnectionError:
        return True
    return False


def test_connection_of_a_retired_credential_is_ended_and_does_not_work_again(harness: CacheHarness) -> None:
    """Not even when the turn of its user comes again, with another password."""
    with harness.connection(current(harness)) as client:
        client.set("key", "value")
        for _ in range(2):
            harness.rotate()
            harness.reconcile_fully()
        assert current(harness)["username"] == "app"
        assert is_ended(client)


def test_idle_user_that_is_in_the_group_leaves_it_before_it_is_turned_on(harness: CacheHarness) -> None:
    """As one that was retired by an earlier version of the function, or that a stack update put back."""
    with harness.connection(current(harness)) as client:
        client.set("key", "value")
        harness.rotate()
        harness.reconcile_fully()
        harness.elasticache.modify_user_group(GROUP, user_ids_to_add=[USER_IDS["app"]])
        harness.clock.sleep(600)
        with mock.patch.object(harness.elasticache, "effect", return_value=timedelta(minutes=4)):
            harness.rotate()
        assert harness.authenticates(current(harness))
        operations = [name for name, _ in harness.aws.calls if name.startswith("Modify")]
        assert operations[-3:] == ["ModifyUserGroup", "ModifyUser", "ModifyUserGroup"]


STRANGE = 32 * "?"


def open_by_hand(harness: CacheHarness, *, in_the_group: bool) -> dict[str, Any]:
    """Turn the idle user on with a password that no version has; return the credential."""
    harness.elasticache.modify_user(USER_IDS["app_b"], access_string="on ~* +@all", passwords=[STRANGE])
    harness.clock.sleep(600)
    if in_the_group:
        harness.elasticache.modify_user_group(GROUP, user_ids_to_add=[USER_IDS["app_b"]])
        harness.clock.sleep(600)
        harness.elasticache.finish_changes()
    return {"username": "app_b", "password": STRANGE}


def test_user_that_is_on_outside_of_the_group_joins_it_with_the_versions_password(
    harness: CacheHarness,
) -> None:
    strange = open_by_hand(harness, in_the_group=False)
    token = harness.secret.begin_rotation()
    for step in STEPS:
        harness.run(step, token)
        harness.clock.sleep(600)
        assert not harness.authenticates(strange)
    assert harness.authenticates(current(harness))


def test_user_that_is_on_in_the_group_with_another_password_leaves_it_first(harness: CacheHarness) -> None:
    with harness.connection(open_by_hand(harness, in_the_group=True)) as client:
        client.set("key", "value")
        with mock.patch.object(harness.elasticache, "effect", return_value=timedelta(minutes=4)):
            harness.rotate()
        assert current(harness)["username"] == "app_b"
        assert is_ended(client)


def test_current_user_whose_password_someone_changed_keeps_its_connections(harness: CacheHarness) -> None:
    with harness.connection(current(harness)) as client:
        client.set("key", "value")
        harness.rotate()
        harness.secret.put("0" * 32, json.dumps(harness.secret.document("AWSPREVIOUS")), "AWSCURRENT")
        harness.elasticache.modify_user(USER_IDS["app"], passwords=[STRANGE])
        harness.clock.sleep(600)
        assert not harness.authenticates(current(harness))
        for _ in range(2):
            harness.reconcile()
            harness.clock.sleep(600)
        assert harness.authenticates(current(harness))
        assert not is_ended(client)


def test_change_that_was_found_too_late_is_not_begun(harness: CacheHarness) -> None:
    """To find it takes calls of ElastiCache, which may be slow, after the look at the labels."""
    retired = json.dumps(current(harness))
    harness.rotate()
    harness.reconcile_fully()
    harness.secret.put("0" * 32, retired, "AWSCURRENT")
    find, before = harness.strategy.next_change, changes(harness)  # type: ignore[attr-defined]

    def find_slowly(version: Version, *, idle: bool) -> Change:
        harness.clock.sleep(5)
        found: Change = find(version, idle=idle)
        return found

    with mock.patch.object(harness.strategy, "next_change", find_slowly):
        harness.reconcile()
    assert changes(harness) == before


def test_change_of_the_access_string_leaves_passwords_and_retired_users_alone(harness: CacheHarness) -> None:
    harness.reconcile_fully()
    harness.rotate()
    harness.reconcile_fully()
    before = {name: list(user(harness, name).passwords) for name in USER_IDS}
    for name in USER_IDS:
        assert harness.request("Update", name, AccessString="on ~app:* +@read") == USER_IDS[name]
    assert user(harness, "app").access == CLOSED
    assert user(harness, "app_b").access == "on ~app:* +@read"
    assert {name: user(harness, name).passwords for name in USER_IDS} == before


def test_creation_that_was_cut_short_is_finished(harness: CacheHarness) -> None:
    for name in USER_IDS:
        user(harness, name).passwords, user(harness, name).access = [32 * "?"], "on ~* +@all"
        assert harness.request("Create", name) == USER_IDS[name]
    assert harness.authenticates(current(harness))
    assert user(harness, "app_b").access == CLOSED
    assert user(harness, "app_b").passwords != [32 * "?"]


def test_user_cannot_become_another(harness: CacheHarness) -> None:
    """CloudFormation would delete the old one with a role that may only touch the new one."""
    with pytest.raises(CacheUserError, match="gantry-test cannot become another"):
        harness.request("Update", "app", UserId="another", UserName="another")
    assert set(harness.elasticache.users) == set(USER_IDS.values())


def test_deleted_users_are_gone_and_may_be_deleted_again(harness: CacheHarness) -> None:
    for name in (*USER_IDS, *USER_IDS):
        harness.request("Delete", name)
    assert harness.elasticache.users == {}
    assert not harness.authenticates(current(harness))


def test_users_take_turns(harness: CacheHarness) -> None:
    for name in ("app_b", "app", "app_b"):
        before = current(harness)
        harness.rotate()
        assert current(harness)["username"] == name
        assert harness.authenticates(before)
        assert harness.authenticates(current(harness))
        harness.reconcile_fully()
        assert not harness.authenticates(before)
        assert [each.name for each in harness.elasticache.users.values() if each.access != CLOSED] == [name]


def test_open_connection_of_a_retired_credential_can_do_nothing(harness: CacheHarness) -> None:
    """Not even before it is ended: Valkey looks its rights up by user at every command."""
    with harness.connection(current(harness)) as client:
        client.set("key", "value")
        harness.rotate()
        assert client.get("key") == b"value"
        with mock.patch.object(harness.elasticache, "modify_user_group", side_effect=AwsError("Throttling")):
            for _ in range(3):
                harness.ecs.complete_deployment()
                with suppress(ClientError):
                    harness.reconcile()
                harness.clock.sleep(600)
        with pytest.raises(valkey.exceptions.NoPermissionError):
            client.get("key")
        with pytest.raises(valkey.exceptions.NoPermissionError):
            client.set("key", "forged")


def test_leaked_version_is_shown_to_open_nothing_once_it_is_retired(harness: CacheHarness) -> None:
    harness.secret.attach("LEAKED", str(harness.secret.holder("AWSCURRENT")))
    harness.rotate()
    assert harness.openings("LEAKED")["log-in as app"] == 1
    harness.reconcile_fully()
    assert set(harness.openings("LEAKED").values()) == {0}


def test_password_next_to_the_current_one_is_retired(new: CacheHarness) -> None:
    """Earlier versions of the function rotated two passwords of the first user."""
    first = current(new)
    earlier = {**first, "password": 48 * "1"}
    new.elasticache.modify_user(USER_IDS["app"], passwords=[first["password"], earlier["password"]])
    new.clock.sleep(600)
    assert new.authenticates(earlier)
    new.reconcile_fully()
    assert not new.authenticates(earlier)
    assert new.authenticates(first)


def test_current_version_that_was_retired_is_admitted_again(harness: CacheHarness) -> None:
    retired = json.dumps(current(harness))
    harness.rotate()
    harness.reconcile_fully()
    harness.secret.put("0" * 32, retired, "AWSCURRENT")
    assert not harness.authenticates(current(harness))
    for _ in range(2):  # its rights, and the group
        harness.reconcile()
        harness.clock.sleep(600)
    assert harness.authenticates(current(harness))
    harness.reconcile_fully()
    assert user(harness, "app_b").access == CLOSED


def test_change_is_begun_in_one_step_and_waited_for_in_the_next(harness: CacheHarness) -> None:
    token = harness.secret.begin_rotation()
    harness.run("createSecret", token)
    harness.run("setSecret", token)
    assert harness.elasticache.group.members == [USER_IDS["app"]]
    harness.run("testSecret", token)
    assert set(harness.elasticache.group.members) == set(USER_IDS.values())


def changes(harness: CacheHarness) -> int:
    return sum(operation == "ModifyUser" for operation, _ in harness.aws.calls)


@pytest.mark.parametrize(("seconds", "attempts"), [(30, 1), (62, 1), (240, 1), (590, 1), (1100, 3)])
def test_rotation_waits_as_long_as_elasticache_takes(
    harness: CacheHarness, seconds: int, attempts: int
) -> None:
    """Secrets Manager repeats a failed rotation with the same version; what is done is not done again."""
    harness.reconcile_fully()
    harness.elasticache.effect = lambda: timedelta(seconds=seconds)
    before = changes(harness)
    token = harness.secret.begin_rotation()
    for attempt in range(1, attempts + 1):
        with ExitStack() as stack:
            if attempt < attempts:
                stack.enter_context(
                    pytest.raises(RotationError, match="is still modifying; the step can be run again")
                )
            for step in STEPS:
                harness.run(step, token)
    assert "AWSCURRENT" in harness.secret.versions[token].labels
    assert changes(harness) == before + 1


def test_change_that_takes_effect_soon_is_found_by_the_look_that_made_it(harness: CacheHarness) -> None:
    harness.reconcile_fully()
    harness.elasticache.effect = lambda: timedelta(seconds=3)
    harness.rotate()
    harness.ecs.complete_deployment()
    assert harness.reconcile().reconciled


def test_retirement_that_is_on_its_way_is_no_failure(harness: CacheHarness) -> None:
    harness.reconcile_fully()
    harness.elasticache.effect = lambda: timedelta(minutes=9)
    harness.rotate()
    harness.ecs.complete_deployment()
    for _ in range(3):
        before = changes(harness)
        report = harness.reconcile()
        harness.clock.sleep(60)
    assert not report.reconciled
    assert changes(harness) == before
    assert harness.reconcile_fully().reconciled


@pytest.mark.parametrize(
    ("access", "after"), [("on ~* +@all", "on ~app:* +@read"), (CLOSED, CLOSED)], ids=["on", "retired"]
)
def test_stack_update_waits_for_a_rotation_that_comes_between(
    harness: CacheHarness, access: str, after: str
) -> None:
    describe, between = harness.elasticache.describe_users, [access]

    def describe_and_be_overtaken(user_id: str) -> Answer:
        answer = describe(user_id)
        if between:
            harness.elasticache.modify_user(user_id, access_string=between.pop())
        return answer

    with mock.patch.object(harness.elasticache, "describe_users", describe_and_be_overtaken):
        harness.request("Update", "app", AccessString="on ~app:* +@read")
    assert user(harness, "app").access == after


def test_user_that_tasks_may_use_is_not_touched(harness: CacheHarness) -> None:
    harness.rotate()
    with pytest.raises(NotRetiredError, match="tasks may still log in as app, which is not yet retired"):
        harness.rotate()
    for task in harness.ecs.live_tasks:
        assert harness.authenticates(task.read["secret"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"username": "default"}, "is not for app_b"),
        ({"username": "app"}, "is not for app_b"),
        ({"password": "short"}, "must be ASCII text of 32 to 128 characters"),
        ({"password": 200 * "x"}, "must be ASCII text of 32 to 128 characters"),
    ],
)
def test_version_for_anything_else_is_refused(
    harness: CacheHarness, change: dict[str, Any], reason: str
) -> None:
    token = harness.secret.begin_rotation()
    harness.secret.put(token, json.dumps({**harness.successor(), **change}), "AWSPENDING")
    with pytest.raises(UnusableVersionError, match=reason):
        harness.run("setSecret", token)
    harness.rotate()


def test_server_that_no_one_vouches_for_is_not_trusted(harness: CacheHarness, tmp_path: Path) -> None:
    stranger = ensure_authority(tmp_path).certificate
    with (
        mock.patch.dict("os.environ", {"SSL_CERT_FILE": str(stranger)}),
        pytest.raises(Exception, match="certificate verify failed"),
    ):
        harness.run("testSecret", harness.secret.begin_rotation())


def test_cache_that_speaks_plain_text_is_not_spoken_to(harness: CacheHarness) -> None:
    def greet() -> None:
        with plain.accept()[0] as connection:
            connection.sendall(b"+OK\r\n")

    with socket.create_server(("127.0.0.1", 0)) as plain:
        thread = threading.Thread(target=greet)
        thread.start()
        with harness.reached_at(plain.getsockname()[1]), pytest.raises(Exception, match="SSL"):
            harness.run("testSecret", harness.secret.begin_rotation())
        thread.join()


def test_version_that_was_not_admitted_is_not_made_current(harness: CacheHarness) -> None:
    token = harness.secret.begin_rotation()
    harness.run("createSecret", token)
    with pytest.raises(LogInRefusedError, match="does not log in to the cache"):
        harness.run("finishSecret", token)


def test_late_effect_of_a_retirement_does_not_undo_a_rotation_that_begins(harness: CacheHarness) -> None:
    """What the retirement asked for happens after it gave up waiting, and after the rotation has begun."""
    harness.rotate()
    harness.ecs.complete_deployment()
    asked: list[dict[str, Any]] = []

    def ask(**params: str) -> Answer:
        asked.append(params)
        raise TimeoutError

    with mock.patch.object(harness.elasticache, "modify_user", ask), pytest.raises(TimeoutError):
        harness.reconcile()
    at_last = harness.clock.now() + ANNOUNCEMENT_DELAY * 0.9
    token = harness.secret.begin_rotation()
    sleep = harness.clock.sleep

    def sleep_until_it_happens(seconds: float) -> None:
        sleep(seconds)
        if asked and harness.clock.now() >= at_last:
            harness.elasticache.modify_user(**asked.pop())

    with mock.patch.object(harness.clock, "sleep", sleep_until_it_happens):
        for step in STEPS:
            harness.run(step, token)
        sleep_until_it_happens(60)
    assert asked == []
    assert harness.authenticates(current(harness))


def test_retirement_that_took_its_time_after_looking_leaves_the_users_alone(harness: CacheHarness) -> None:
    harness.rotate()
    harness.ecs.complete_deployment()
    before = changes(harness)
    describe = harness.elasticache.describe_users

    def describe_slowly(user_id: str) -> Answer:
        harness.clock.sleep(5)
        return describe(user_id)

    with mock.patch.object(harness.elasticache, "describe_users", describe_slowly):
        assert not harness.reconcile().reconciled
    assert changes(harness) == before
    assert harness.reconcile_fully().reconciled


def test_rotation_waits_for_longer_than_a_retirement_may_take_after_looking() -> None:
    limits = vars(wiring._PROMPT)
    patience = timedelta(seconds=limits["connect_timeout"] + limits["read_timeout"])
    assert limits["retries"] == {"total_max_attempts": 1}
    assert WRITE_WINDOW + patience + timedelta(seconds=3) <= ANNOUNCEMENT_DELAY


def test_user_that_someone_else_changes_is_not_taken_for_changed(harness: CacheHarness) -> None:
    token = harness.secret.begin_rotation()
    harness.run("createSecret", token)
    check = harness.strategy.check

    def change_after_checking(pending: Version, before: Version) -> None:
        check(pending, before)
        harness.elasticache.modify_user(USER_IDS["app_b"], access_string=CLOSED)

    with (
        mock.patch.object(harness.strategy, "check", change_after_checking),
        pytest.raises(RotationError, match="is being changed"),
    ):
        harness.run("setSecret", token)
    harness.rotate()
    assert harness.authenticates(current(harness))


@pytest.mark.parametrize("what", [pytest.param("rotate", marks=pytest.mark.long), "reconcile"])
def test_something_else_in_the_middle_of_a_retirement(harness: CacheHarness, what: str) -> None:
    check_retirement_interrupted(harness, getattr(harness, what))
