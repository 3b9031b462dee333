"""The password of the role that rotates passwords changes, whatever ends a change in between."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pkgutil import resolve_name
from unittest import mock

import psycopg
import pytest
from pg8000.native import DatabaseError, InterfaceError

from contract.database import ROTATOR_REFUSED
from gantry_runtime.failures import SafeError
from rotation import handler as rotation_handler
from sandbox.postgres import PostgresServer
from tests.aws.harness import DatabaseHarness
from tests.aws.transport import Crash, crash


@pytest.fixture
def harness(database: PostgresServer) -> Iterator[DatabaseHarness]:
    made = DatabaseHarness(database)
    yield made
    made.close()


def password(harness: DatabaseHarness) -> str:
    return str((harness.rotator.document("AWSCURRENT") or {})["password"])


def interrupted(
    harness: DatabaseHarness, at: int, action: Callable[[], object], what: Callable[[], object]
) -> bool:
    """Do something with an interruption at the so-manieth call; return whether there are so many."""
    happened: list[int] = []

    def happen() -> None:
        happened.append(at)
        action()

    harness.interruptions.arm(at, happen)
    with suppress(Crash):
        what()
    harness.interruptions.disarm()
    return bool(happened)


def test_new_password_logs_in_and_the_old_one_opens_nothing(harness: DatabaseHarness) -> None:
    old = password(harness)
    with harness.as_rotator() as held:
        opened = harness.change_rotator()
        with pytest.raises(psycopg.OperationalError):
            held.execute("SELECT 1")
    assert opened == {
        "sessions of gantry_rotator at localhost": 0,
        "log-in as gantry_rotator with the old password at localhost": 0,
    }
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        harness.log_in("gantry_rotator", old, database="gantry")
    harness.as_rotator().close()
    harness.rotate()
    harness.reconcile_fully()


def test_session_that_sets_its_own_password_again_and_again_is_ended(harness: DatabaseHarness) -> None:
    """A role may change its own password."""
    thief, ended = harness.as_rotator(), threading.Event()

    def steal() -> None:
        with suppress(psycopg.Error):
            while True:
                with suppress(psycopg.errors.InternalError_):  # "tuple concurrently updated"
                    thief.execute("ALTER ROLE gantry_rotator PASSWORD 'mine'")
        ended.set()

    thread = threading.Thread(target=steal)
    thread.start()
    try:
        assert set(harness.change_rotator().values()) == {0}
        assert ended.wait(10)
    finally:
        thief.close()
        thread.join()
    harness.rotate()


def test_function_that_rotates_the_others_publishes_the_passwords_age(
    harness: DatabaseHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    harness.reconcile_fully()
    harness.change_rotator()
    harness.clock.sleep(9 * 86400)
    rotation_handler._parts.cache_clear()
    with (
        mock.patch.dict("os.environ", harness.environ),
        mock.patch("rotation.wiring.Clock", return_value=harness.clock),
    ):
        rotation_handler.handler({}, None)
    rotation_handler._parts.cache_clear()
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    ages = {each["Secret"]: each["DaysSinceRotation"][0] for each in said}
    assert ages["rotator"] == pytest.approx(9, rel=0.01)
    assert set(ages) == {"database", "rotator"}


@pytest.mark.parametrize(
    "failure",
    [
        InterfaceError("network error"),
        DatabaseError({"C": "57P01", "M": "terminating connection due to administrator command"}),
        DatabaseError({"C": "57P03", "M": "the database system is starting up"}),
    ],
    ids=["ended", "stopping", "starting"],
)
@pytest.mark.parametrize("part", ["roles.end_rotator_sessions", "rotator.privileged"])
def test_instance_that_restarts_is_waited_for(
    harness: DatabaseHarness, part: str, failure: Exception
) -> None:
    """All is done that must be done on every instance, for the one password that was made."""
    name = f"database_roles.{part}"
    real, fails, versions = resolve_name(name), [True] * 3, len(harness.rotator.history)

    def restart(*args: object, **kwargs: object) -> object:
        if fails:
            fails.pop()
            raise failure
        return real(*args, **kwargs)

    with mock.patch(name, restart):
        assert set(harness.change_rotator().values()) == {0}
    assert not fails
    assert len(harness.rotator.history) == versions + 1


@pytest.mark.parametrize("where", ["", "IN DATABASE gantry"])
@pytest.mark.parametrize(
    "setting",
    ["local_preload_libraries = 'nope'", "transaction_timeout = '1ms'", "statement_timeout = '1ms'"],
)
def test_role_that_shuts_itself_out_by_a_setting_can_rotate(
    harness: DatabaseHarness, where: str, setting: str
) -> None:
    with harness.as_rotator() as thief:
        thief.execute(f"ALTER ROLE gantry_rotator {where} SET {setting}")
    harness.rotate()
    harness.reconcile_fully()
    assert set(harness.change_rotator().values()) == {0}
    harness.as_rotator().close()


def test_change_that_was_cut_off_anywhere_leaves_the_rotation_its_log_in(harness: DatabaseHarness) -> None:
    for at in itertools.count(1):
        before = password(harness)
        if not interrupted(harness, at, crash, harness.change_rotator):
            break
        assert harness.strategy.openings(harness.store.require(str(harness.secret.holder("AWSCURRENT"))))
        # Cut off again, at the same call or another one.
        interrupted(harness, at, crash, harness.change_rotator)
        assert harness.strategy.openings(harness.store.require(str(harness.secret.holder("AWSCURRENT"))))
        assert set(harness.change_rotator().values()) == {0}
        assert harness.rotator.holder("AWSPENDING") is None
        assert password(harness) != before
    assert at > 15


def test_change_in_the_middle_of_a_rotation_does_not_fail_it(harness: DatabaseHarness) -> None:
    def change() -> None:
        with harness.interruptions.suspended(), suppress(SafeError):
            harness.change_rotator(seconds=1)

    changes = {password(harness)}
    for at in itertools.count(1, 9):
        if not interrupted(harness, at, change, harness.rotate):
            break
        changes.add(password(harness))
        harness.reconcile_fully()
    assert len(changes) > 2


def test_rotator_of_a_restored_database_gets_a_new_password_and_one_that_logs_in_keeps_it(
    harness: DatabaseHarness,
) -> None:
    with harness.as_superuser("gantry") as restored:
        ((before,),) = restored.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'gantry_rotator'")
        harness.change_rotator()
        restored.execute(f"ALTER ROLE gantry_rotator PASSWORD '{before}'")
    with pytest.raises(SafeError, match=f"^{ROTATOR_REFUSED} "):
        harness.openings("AWSCURRENT")
    refused = password(harness)
    assert set(harness.change_rotator(only_refused=True).values()) == {0}
    assert password(harness) != refused
    harness.rotate()
    harness.reconcile_fully()
    kept = password(harness)
    assert harness.change_rotator(only_refused=True) == {}
    assert password(harness) == kept


def test_stack_update_after_a_change_that_was_cut_off_takes_the_current_version(
    harness: DatabaseHarness,
) -> None:
    with (
        mock.patch("database_roles.roles.set_rotator_password", side_effect=Crash),
        pytest.raises(Crash),
    ):
        harness.change_rotator()
    harness.bootstrap("Update")
    harness.as_rotator().close()
    assert set(harness.change_rotator().values()) == {0}
    harness.as_rotator().close()
