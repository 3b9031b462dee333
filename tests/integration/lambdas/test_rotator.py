"""The password of the role that rotates passwords changes, whatever ends a change in between."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from unittest import mock

import psycopg
import pytest

from gantry_runtime.failures import SafeError
from sandbox.postgres import PostgresServer
from tests.aws.rigs import DatabaseRig
from tests.aws.transport import Crash, crash


@pytest.fixture
def rig(database: PostgresServer) -> Iterator[DatabaseRig]:
    made = DatabaseRig(database)
    yield made
    made.close()


def password(rig: DatabaseRig) -> str:
    return str((rig.rotator.document("AWSCURRENT") or {})["password"])


def interrupted(rig: DatabaseRig, at: int, action: Callable[[], object], what: Callable[[], object]) -> bool:
    """Do something with an interruption at the so-manieth call; return whether there are so many."""
    happened: list[int] = []

    def happen() -> None:
        happened.append(at)
        action()

    rig.interruptions.arm(at, happen)
    with suppress(Crash):
        what()
    rig.interruptions.disarm()
    return bool(happened)


def test_new_password_logs_in_and_the_old_one_opens_nothing(rig: DatabaseRig) -> None:
    old = password(rig)
    with rig.as_rotator() as held:
        opened = rig.change_rotator()
        with pytest.raises(psycopg.OperationalError):
            held.execute("SELECT 1")
    assert opened == {
        "sessions of gantry_rotator at localhost": 0,
        "log-in as gantry_rotator with the old password at localhost": 0,
    }
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        rig.log_in("gantry_rotator", old, database="gantry")
    rig.as_rotator().close()
    rig.rotate()
    rig.come_to_rest()


def test_change_that_was_cut_off_anywhere_leaves_the_rotation_its_log_in(rig: DatabaseRig) -> None:
    for at in itertools.count(1):
        before = password(rig)
        if not interrupted(rig, at, crash, rig.change_rotator):
            break
        assert rig.strategy.openings(rig.store.require(str(rig.secret.holder("AWSCURRENT"))))
        # Cut off again, at the same call or another one.
        interrupted(rig, at, crash, rig.change_rotator)
        assert rig.strategy.openings(rig.store.require(str(rig.secret.holder("AWSCURRENT"))))
        assert set(rig.change_rotator().values()) == {0}
        assert rig.rotator.holder("AWSPENDING") is None
        assert password(rig) != before
    assert at > 15


def test_change_in_the_middle_of_a_rotation_does_not_fail_it(rig: DatabaseRig) -> None:
    def change() -> None:
        with rig.interruptions.suspended(), suppress(SafeError):
            rig.change_rotator(seconds=1)

    changes = {password(rig)}
    for at in itertools.count(1, 9):
        if not interrupted(rig, at, change, rig.rotate):
            break
        changes.add(password(rig))
        rig.come_to_rest()
    assert len(changes) > 2


def test_stack_update_after_a_change_that_was_cut_off_takes_the_current_version(rig: DatabaseRig) -> None:
    with (
        mock.patch("database_roles.roles.set_rotator_password", side_effect=Crash),
        pytest.raises(Crash),
    ):
        rig.change_rotator()
    rig.bootstrap("Update")
    rig.as_rotator().close()
    assert set(rig.change_rotator().values()) == {0}
    rig.as_rotator().close()
