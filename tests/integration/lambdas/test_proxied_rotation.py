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
from tests.aws.rigs import DatabaseRig, ProxiedDatabaseRig
from tests.aws.secrets_manager import STEPS
from tests.aws.transport import Crash, crash


@pytest.fixture
def rig(database: PostgresServer) -> Iterator[ProxiedDatabaseRig]:
    made = ProxiedDatabaseRig(database)
    yield made
    made.close()


def current(rig: DatabaseRig) -> dict[str, Any]:
    document = rig.secret.document("AWSCURRENT")
    assert document is not None
    return document


def told(rig: ProxiedDatabaseRig, role: str) -> dict[str, Any]:
    document = rig.proxy.secrets[role].document("AWSCURRENT")
    assert document is not None
    return document


def test_proxy_is_told_of_the_first_log_in_by_the_bootstrap(rig: ProxiedDatabaseRig) -> None:
    assert rig.works(current(rig))
    assert told(rig, "app_a") == {key: current(rig)[key] for key in ("username", "password")}


def test_rotations_alternate_and_both_log_in_until_the_tasks_are_replaced(rig: ProxiedDatabaseRig) -> None:
    for _ in range(3):
        before = current(rig)
        rig.rotate()
        assert rig.works(before)
        assert rig.works(current(rig))
        rig.come_to_rest()
        assert not rig.works(before)
        assert rig.works(current(rig))


def test_rotation_ends_no_sooner_than_the_proxy_admits_the_new_log_in(rig: ProxiedDatabaseRig) -> None:
    began = rig.clock.now()
    token = rig.secret.begin_rotation()
    for step in STEPS[:3]:
        rig.run(step, token)
    assert rig.clock.now() - began >= database_proxy.STALE


def test_rotation_that_the_proxy_does_not_learn_of_in_time_is_taken_up_again(rig: ProxiedDatabaseRig) -> None:
    rig.clock.sleep(1200)
    token = rig.secret.begin_rotation()
    with mock.patch.object(database_proxy, "STALE", timedelta(minutes=20)):
        rig.run("createSecret", token)
        rig.run("setSecret", token)
        for step in STEPS[2:]:
            with pytest.raises(
                LogInRefusedError, match=r"through the proxy: version \d+ does not log in as app_b"
            ):
                rig.run(step, token)
        assert rig.works(current(rig))
        rig.clock.sleep(1200)
        assert rig.rotate() == token
    assert current(rig)["username"] == "app_b"


def test_role_that_is_in_use_keeps_its_secret(rig: ProxiedDatabaseRig) -> None:
    before = set(rig.proxy.secrets["app_a"].versions)
    rig.rotate()
    assert set(rig.proxy.secrets["app_a"].versions) == before


def test_retired_role_leaves_the_proxy_a_password_that_opens_nothing(rig: ProxiedDatabaseRig) -> None:
    retired = current(rig)
    rig.secret.attach("LEAKED", str(rig.secret.holder("AWSCURRENT")))
    rig.rotate()
    assert rig.openings("LEAKED")["log-in as app_a through the proxy"] == 1
    rig.come_to_rest()
    rig.clock.sleep(database_proxy.STALE.total_seconds())
    assert set(rig.openings("LEAKED").values()) == {0}
    left = told(rig, "app_a")
    assert left["password"] != retired["password"]
    rig.clock.sleep(database_proxy.STALE.total_seconds())
    assert not rig.works(left)
    assert not rig.proxy.knows("app_a", retired["password"])
    rig.secret.detach("SETTLED")
    rig.come_to_rest()
    assert told(rig, "app_a") == left


# The server takes a moment to notice that who held the lock is gone.
@mock.patch("gantry_runtime.postgres.LOCK_TIMEOUT", "10s")
@pytest.mark.parametrize(("step", "every"), list(zip(STEPS, (1, 3, 9, 3), strict=True)))
def test_step_that_ends_anywhere_can_be_run_again(rig: ProxiedDatabaseRig, step: str, every: int) -> None:
    for at in itertools.count(1, every):
        token = rig.secret.begin_rotation()
        for earlier in STEPS[: STEPS.index(step)]:
            rig.run(earlier, token)
        rig.interruptions.arm(at, crash)
        crashed = True
        with suppress(Crash):
            rig.run(step, token)
            crashed = False
        rig.interruptions.disarm()
        assert all(rig.works(task.read["secret"]) for task in rig.ecs.live_tasks)
        assert rig.works(current(rig))
        if step != "finishSecret":
            rig.rotate()
        rig.come_to_rest()
        assert rig.works(current(rig))
        if not crashed:
            return


def test_secret_that_somebody_else_wrote_is_put_right(rig: ProxiedDatabaseRig) -> None:
    secret = rig.proxy.secrets["app_a"]
    secret.put(secret.new_id(), '{"username": "app_a", "password": "x"}', "AWSCURRENT")
    rig.clock.sleep(3600)
    assert not rig.works(current(rig))
    rig.reconcile()
    rig.clock.sleep(database_proxy.STALE.total_seconds())
    assert rig.works(current(rig))


def test_proxy_that_comes_later_is_told_which_role_is_in_use(rig: ProxiedDatabaseRig) -> None:
    rig.rotate()
    rig.come_to_rest()
    secret = rig.proxy.secrets["app_b"]
    secret.put(secret.new_id(), '{"username": "app_b", "password": "generated"}', "AWSCURRENT")
    rig.bootstrap("Update")
    rig.clock.sleep(database_proxy.STALE.total_seconds())
    assert rig.works(current(rig))
