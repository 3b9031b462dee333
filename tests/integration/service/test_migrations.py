"""Migrations, applied to a real database."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

import contract.database
from taskboard import migrate as migrate_module
from taskboard.database import LOAN_TIMEOUT, STATEMENT_TIMEOUT, TABLE_LOCK_TIMEOUT
from taskboard.migrate import Migration, MigrationError, load, migrate
from taskboard.settings import Settings
from tests.integration.service.support import Backends

FIRST = Migration(1, "0001_first.sql", b"CREATE TABLE first (id int); INSERT INTO first VALUES (1)")
SECOND = Migration(2, "0002_second.sql", b"ALTER TABLE first ADD COLUMN name text")

ROOT = Path(__file__).parents[3]
Apply = Callable[[Sequence[Migration]], None]


@pytest.fixture
def name(backends: Backends, request: pytest.FixtureRequest) -> str:
    """Name of an empty database of this test's own."""
    name = str(request.node.name)[:63]
    backends.new_database(name)
    return name


@pytest.fixture
def apply(backends: Backends, name: str, monkeypatch: pytest.MonkeyPatch) -> Apply:
    environment = backends.environment(name)
    monkeypatch.setenv("PGSSLROOTCERT", environment["PGSSLROOTCERT"])
    settings = Settings.read(environment)
    return lambda migrations: asyncio.run(migrate(settings, migrations))


def versions(backends: Backends, name: str) -> list[tuple[int]]:
    with backends.administrator(name) as connection:
        return connection.execute("SELECT version FROM schema_migrations ORDER BY version").fetchall()


def test_each_migration_is_applied_once(backends: Backends, name: str, apply: Apply) -> None:
    apply([FIRST])
    apply([FIRST, SECOND])
    apply([FIRST, SECOND])
    with backends.administrator(name) as connection:
        assert connection.execute("SELECT id, name FROM first").fetchall() == [(1, None)]
    assert versions(backends, name) == [(1,), (2,)]


def test_failing_migration_leaves_nothing_behind(backends: Backends, name: str, apply: Apply) -> None:
    broken = Migration(2, "0002_broken.sql", b"CREATE TABLE second (id int); SELECT nonsense")
    with pytest.raises(MigrationError, match=r"0002_broken\.sql failed.*nonsense"):
        apply([FIRST, broken])
    assert versions(backends, name) == [(1,)]
    with backends.administrator(name) as connection:
        assert connection.execute("SELECT to_regclass('second')").fetchone() == (None,)


def test_migration_may_take_longer_than_the_roles_allow_a_statement(apply: Apply) -> None:
    statement = b"SELECT 1 / (current_setting('statement_timeout') = '0')::int"
    apply([Migration(1, "0001_slow.sql", statement)])


def test_migration_holds_up_requests_to_a_table_in_use_for_a_second_and_waits_for_it(
    backends: Backends,
    name: str,
    apply: Apply,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(migrate_module, "_LOCK_PAUSE", 0.3)
    caplog.set_level("INFO")
    apply([FIRST])
    waits = []
    with backends.administrator(name) as analyst, backends.administrator(name) as request:
        analyst.execute("BEGIN")
        analyst.execute("SELECT * FROM first")
        with ThreadPoolExecutor(1) as pool:
            migration = pool.submit(apply, [FIRST, SECOND])
            while "2 of" not in caplog.text:
                began = time.monotonic()
                request.execute("SELECT * FROM first")
                waits.append(time.monotonic() - began)
                time.sleep(0.01)
            analyst.execute("COMMIT")
            migration.result()
    assert TABLE_LOCK_TIMEOUT / 2 < max(waits) < STATEMENT_TIMEOUT
    assert versions(backends, name) == [(1,), (2,)]


def test_table_that_stays_in_use_ends_the_migration(
    backends: Backends, name: str, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate_module, "_LOCK_PAUSE", 0)
    monkeypatch.setattr(migrate_module, "_LOCK_TRIES", 2)
    apply([FIRST])
    with backends.administrator(name) as analyst:
        analyst.execute("BEGIN")
        analyst.execute("SELECT * FROM first")
        with pytest.raises(MigrationError, match=r"0002_second\.sql failed: .*lock timeout"):
            apply([FIRST, SECOND])
    assert versions(backends, name) == [(1,)]


def test_index_is_made_concurrently_while_another_instance_waits(
    backends: Backends, name: str, apply: Apply, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    apply([FIRST])
    statements = b"""-- no transaction
DROP INDEX CONCURRENTLY IF EXISTS by_id;
CREATE INDEX CONCURRENTLY by_id ON first (id);
"""
    index = Migration(2, "0002_index.sql", statements)
    with backends.administrator(name) as writer, ThreadPoolExecutor(2) as pool:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO first VALUES (2)")
        instances = [pool.submit(apply, [FIRST, index]) for _ in range(2)]
        while "another instance migrates" not in caplog.text:
            time.sleep(0.01)
        time.sleep(TABLE_LOCK_TIMEOUT * 1.2)  # longer than a transaction may wait
        writer.execute("COMMIT")
        for instance in instances:
            instance.result()
    messages = [record.getMessage() for record in caplog.records]
    assert messages.count("applying 0002_index.sql") == 1
    assert versions(backends, name) == [(1,), (2,)]
    with backends.administrator(name) as connection:
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_id'::regclass"
        assert connection.execute(valid).fetchone() == (True,)


def test_limits_of_time_are_in_order_and_the_platforms() -> None:
    assert TABLE_LOCK_TIMEOUT <= 1
    assert TABLE_LOCK_TIMEOUT < STATEMENT_TIMEOUT < LOAN_TIMEOUT
    assert f"{STATEMENT_TIMEOUT:.0f}s" == contract.database.STATEMENT_TIMEOUT


def test_changed_history_is_refused(apply: Apply) -> None:
    apply([FIRST])
    with pytest.raises(MigrationError, match=r"0001_first\.sql is not what was applied"):
        apply([Migration(1, FIRST.name, FIRST.statements + b" -- improved")])


def test_older_version_of_the_service_lives_with_a_newer_schema(
    apply: Apply, caplog: pytest.LogCaptureFixture
) -> None:
    apply([FIRST, SECOND])
    apply([FIRST])
    assert "ahead of this version by the migrations [2]" in caplog.text


def test_addresses_are_composed_unless_another_account_has_them(
    backends: Backends, name: str, apply: Apply
) -> None:
    composed, elsewhere = "r\u1ed9m@example.com", "zo\u00eb@example.com"
    addresses = [
        "ro\u0323\u0302m@example.com",  # the older of two that compose to the same
        "ro\u0302\u0323m@example.com",
        elsewhere,  # which its account keeps
        "zoe\u0308@example.com",
        "plain@example.com",
    ]
    first, second, *_ = load()
    apply([first])
    with backends.administrator(name) as connection:
        for age, address in enumerate(addresses):
            connection.execute(
                "INSERT INTO accounts (email, password_hash, created_at)"
                " VALUES (%s, %s, now() + %s * interval '1 s')",
                [address, str(age), age],
            )
        with suppress(psycopg.errors.UniqueViolation):
            connection.execute("UPDATE accounts SET email = normalize(email, NFC)")
            pytest.fail("there is no collision to be handled")
    apply([first, second])
    with backends.administrator(name) as connection:
        stored = dict(connection.execute("SELECT password_hash, email FROM accounts").fetchall())
    assert stored == {
        "0": composed, "1": addresses[1], "2": elsewhere, "3": addresses[3], "4": "plain@example.com"
    }  # fmt: skip
