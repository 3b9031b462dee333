"""Roles that somebody changed by hand are found while the secret is at rest, and set again or told of."""

from collections.abc import Iterator
from unittest import mock

import pytest

from rotation.strategy import RotationError
from sandbox.postgres import PostgresServer
from tests.aws.rigs import DatabaseRig


@pytest.fixture
def rig(database: PostgresServer) -> Iterator[DatabaseRig]:
    made = DatabaseRig(database)
    made.come_to_rest()
    yield made
    made.close()


def by_hand(rig: DatabaseRig, statement: str) -> None:
    with rig.as_superuser("app") as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("change", "drift"),
    [
        ("ALTER ROLE app_a NOLOGIN", "app_a may not log in"),
        ("ALTER ROLE app_a CONNECTION LIMIT 1", "app_a has another connection limit"),
        ("ALTER ROLE app_a SET default_transaction_read_only = on", "app_a has settings of its own"),
        ("ALTER ROLE app_a RESET role", "app_a has settings of its own"),
        ("ALTER ROLE app_a PASSWORD 'x'", "app_a has another password"),
        ("ALTER ROLE app_b LOGIN PASSWORD 'x'", "app_b may log in"),
    ],
)
def test_what_a_rotation_sets_is_set_again(rig: DatabaseRig, change: str, drift: str) -> None:
    by_hand(rig, change)
    current = rig.secret.document("AWSCURRENT") or {}
    assert drift in str(rig.strategy.drift(rig.current))
    assert rig.reconcile().settled
    assert rig.strategy.drift(rig.current) is None
    assert rig.works(current)
    assert not rig.works({"username": "app_b", "password": "x"})


@pytest.mark.parametrize(
    ("change", "back", "drift"),
    [
        ("GRANT pg_read_all_data TO app_b", "REVOKE pg_read_all_data FROM app_b", "app_b is a member of"),
        ("ALTER ROLE app_a CREATEDB", "ALTER ROLE app_a NOCREATEDB", "app_a has attributes"),
    ],
)
def test_what_no_rotation_gives_fails_the_look(rig: DatabaseRig, change: str, back: str, drift: str) -> None:
    by_hand(rig, change)
    try:
        with pytest.raises(RotationError, match=drift):
            rig.reconcile()
    finally:
        by_hand(rig, back)
    assert rig.reconcile().settled


def test_look_at_roles_that_are_as_they_were_changes_nothing(rig: DatabaseRig) -> None:
    rig.aws.calls.clear()
    with mock.patch.object(rig.strategy, "exclusively", side_effect=AssertionError):
        assert rig.reconcile().settled
    assert {operation for operation, _ in rig.aws.calls} == {
        "DescribeDBClusters",
        "DescribeSecret",
        "GetSecretValue",
    }


def test_database_that_pauses_is_left_asleep(rig: DatabaseRig) -> None:
    by_hand(rig, "ALTER ROLE app_a CONNECTION LIMIT 1")
    rig.aws.calls.clear()
    with rig.pausing():
        assert rig.reconcile().settled
    assert {operation for operation, _ in rig.aws.calls} == {"DescribeDBClusters", "DescribeSecret"}
