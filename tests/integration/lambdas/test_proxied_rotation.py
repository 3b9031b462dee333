"""The same rotation behind a proxy, which learns late what the secrets of the roles say."""

import itertools
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from rotation.strategy import LogInRefusedError
from sandbox.postgres import PostgresServer
from tests.aws import database_proxy
from tests.aws.harness import DatabaseHarness, ProxiedDatabaseHarness
from tests.aws.secrets_manager import STEPS
from tests.aws.transport import Crash, crash


@pytest.fixture
def harness(database: PostgresServer) -> Iterator[ProxiedDatabaseHarness]:
    made = ProxiedDatabaseHarness(database)
    yield made
    made.close()


def current(harness: DatabaseHarness) -> dict[str, Any]:
    document = harness.secret.document("AWSCURRENT")
    assert document is not None
    return document


def said(harness: ProxiedDatabaseHarness, role: str) -> dict[str, Any]:
    document = harness.proxy.secrets[role].document("AWSCURRENT")
    assert document is not None
    return document


def test_proxy_gets_the_first_log_in_by_the_bootstrap(harness: ProxiedDatabaseHarness) -> None:
    assert harness.authenticates(current(harness))
    assert said(harness, "app_a") == {key: current(harness)[key] for key in ("username", "password")}


def test_rotations_alternate_and_both_log_in_until_the_tasks_are_replaced(
    harness: ProxiedDatabaseHarness,
) -> None:
    for _ in range(3):
        before = current(harness)
        harness.rotate()
        assert harness.authenticates(before)
        assert harness.authenticates(current(harness))
        harness.reconcile_fully()
        assert not harness.authenticates(before)
        assert harness.authenticates(current(harness))


def test_rotation_ends_no_sooner_than_the_proxy_admits_the_new_log_in(
    harness: ProxiedDatabaseHarness,
) -> None:
    began = harness.clock.now()
    token = harness.secret.begin_rotation()
    for step in STEPS[:3]:
        harness.run(step, token)
    assert harness.clock.now() - began >= database_proxy.STALE


def test_rotation_that_the_proxy_does_not_learn_of_in_time_is_taken_up_again(
    harness: ProxiedDatabaseHarness,
) -> None:
    harness.clock.sleep(1200)
    token = harness.secret.begin_rotation()
    with mock.patch.object(database_proxy, "STALE", timedelta(minutes=20)):
        harness.run("createSecret", token)
        harness.run("setSecret", token)
        for step in STEPS[2:]:
            with pytest.raises(
                LogInRefusedError, match=r"through the proxy: version \d+ does not log in as app_b"
            ):
                harness.run(step, token)
        assert harness.authenticates(current(harness))
        harness.clock.sleep(1200)
        assert harness.rotate() == token
    assert current(harness)["username"] == "app_b"


def test_role_that_is_in_use_keeps_its_secret(harness: ProxiedDatabaseHarness) -> None:
    before = set(harness.proxy.secrets["app_a"].versions)
    harness.rotate()
    assert set(harness.proxy.secrets["app_a"].versions) == before


def test_retired_role_leaves_the_proxy_a_password_that_opens_nothing(harness: ProxiedDatabaseHarness) -> None:
    retired = current(harness)
    harness.secret.attach("LEAKED", str(harness.secret.holder("AWSCURRENT")))
    harness.rotate()
    assert harness.openings("LEAKED")["log-in as app_a through the proxy"] == 1
    harness.reconcile_fully()
    harness.clock.sleep(database_proxy.STALE.total_seconds())
    assert set(harness.openings("LEAKED").values()) == {0}
    left = said(harness, "app_a")
    assert left["password"] != retired["password"]
    harness.clock.sleep(database_proxy.STALE.total_seconds())
    assert not harness.authenticates(left)
    assert not harness.proxy.knows("app_a", retired["password"])
    harness.secret.detach("RECONCILED")
    harness.reconcile_fully()
    assert said(harness, "app_a") == left


# The server takes a moment to notice that who held the lock is gone.
@mock.patch("gantry_runtime.postgres.LOCK_TIMEOUT", "10s")
@pytest.mark.parametrize(("step", "every"), list(zip(STEPS, (1, 3, 9, 3), strict=True)))
def test_step_that_ends_anywhere_can_be_run_again(
    harness: ProxiedDatabaseHarness, step: str, every: int
) -> None:
    for at in itertools.count(1, every):
        token = harness.secret.begin_rotation()
        for earlier in STEPS[: STEPS.index(step)]:
            harness.run(earlier, token)
        harness.interruptions.arm(at, crash)
        crashed = True
        with suppress(Crash):
            harness.run(step, token)
            crashed = False
        harness.interruptions.disarm()
        assert all(harness.authenticates(task.read["secret"]) for task in harness.ecs.live_tasks)
        assert harness.authenticates(current(harness))
        if step != "finishSecret":
            harness.rotate()
        harness.reconcile_fully()
        assert harness.authenticates(current(harness))
        if not crashed:
            return


def test_secret_that_someone_else_wrote_is_put_right(harness: ProxiedDatabaseHarness) -> None:
    secret = harness.proxy.secrets["app_a"]
    secret.put(secret.new_id(), '{"username": "app_a", "password": "x"}', "AWSCURRENT")
    harness.clock.sleep(3600)
    assert not harness.authenticates(current(harness))
    harness.reconcile()
    harness.clock.sleep(database_proxy.STALE.total_seconds())
    assert harness.authenticates(current(harness))


def test_proxy_that_comes_later_is_said_which_role_is_in_use(harness: ProxiedDatabaseHarness) -> None:
    harness.rotate()
    harness.reconcile_fully()
    secret = harness.proxy.secrets["app_b"]
    secret.put(secret.new_id(), '{"username": "app_b", "password": "generated"}', "AWSCURRENT")
    harness.bootstrap("Update")
    harness.clock.sleep(database_proxy.STALE.total_seconds())
    assert harness.authenticates(current(harness))
