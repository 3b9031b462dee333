"""Roles that someone changed by hand are found in a reconciled secret, and set again or reported."""

from collections.abc import Iterator
from unittest import mock

import pytest
from pg8000.native import InterfaceError

from rotation.strategy import RotationError
from sandbox.postgres import PostgresServer
from tests.aws.harness import DatabaseHarness


@pytest.fixture
def harness(database: PostgresServer) -> Iterator[DatabaseHarness]:
    made = DatabaseHarness(database)
    made.reconcile_fully()
    yield made
    made.close()


def by_hand(harness: DatabaseHarness, statement: str) -> None:
    with harness.as_superuser("app") as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("change", "drift"),
    [
        ("ALTER ROLE app_a NOLOGIN", "app_a may not log in"),
        ("ALTER ROLE app_a CONNECTION LIMIT 1", "app_a has another connection limit"),
        ("ALTER ROLE app_a SET default_transaction_read_only = on", "app_a has settings of its own"),
        ("ALTER ROLE app_a SET local_preload_libraries = 'x'", "app_a has settings of its own"),
        ("ALTER ROLE app_a RESET role", "app_a has settings of its own"),
        ("ALTER ROLE app_a PASSWORD 'x'", "app_a has another password"),
        ("ALTER ROLE app_b LOGIN PASSWORD 'x'", "app_b may log in"),
    ],
)
def test_what_a_rotation_sets_is_set_again(harness: DatabaseHarness, change: str, drift: str) -> None:
    by_hand(harness, change)
    current = harness.secret.document("AWSCURRENT") or {}
    assert drift in str(harness.strategy.drift(harness.current))
    assert harness.reconcile().reconciled
    assert harness.strategy.drift(harness.current) is None
    assert harness.authenticates(current)
    assert not harness.authenticates({"username": "app_b", "password": "x"})


@pytest.mark.parametrize(
    ("change", "back", "drift"),
    [
        ("GRANT pg_read_all_data TO app_b", "REVOKE pg_read_all_data FROM app_b", "app_b is a member of"),
        ("ALTER ROLE app_a CREATEDB", "ALTER ROLE app_a NOCREATEDB", "app_a has attributes"),
    ],
)
def test_what_no_rotation_gives_fails_the_look(
    harness: DatabaseHarness, change: str, back: str, drift: str
) -> None:
    by_hand(harness, change)
    try:
        with pytest.raises(RotationError, match=drift):
            harness.reconcile()
    finally:
        by_hand(harness, back)
    assert harness.reconcile().reconciled


def test_look_at_roles_that_are_as_they_were_changes_nothing(harness: DatabaseHarness) -> None:
    harness.aws.calls.clear()
    with mock.patch.object(harness.strategy, "lock", side_effect=AssertionError):
        assert harness.reconcile().reconciled
    assert {operation for operation, _ in harness.aws.calls} == {
        "DescribeDBClusters",
        "DescribeSecret",
        "GetSecretValue",
    }


@pytest.mark.parametrize("failure", [ConnectionResetError(), TimeoutError(), InterfaceError("no network")])
def test_look_during_a_failover_is_no_failure(harness: DatabaseHarness, failure: Exception) -> None:
    with mock.patch("gantry_runtime.postgres.connection", side_effect=failure):
        assert harness.reconcile().reconciled


def test_database_that_pauses_is_left_asleep(harness: DatabaseHarness) -> None:
    by_hand(harness, "ALTER ROLE app_a CONNECTION LIMIT 1")
    harness.aws.calls.clear()
    with harness.pausing():
        assert harness.reconcile().reconciled
    assert {operation for operation, _ in harness.aws.calls} == {"DescribeDBClusters", "DescribeSecret"}
