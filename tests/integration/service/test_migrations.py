"""Migrations, applied to a real database."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from taskboard.migrate import Migration, MigrationError, migrate
from taskboard.settings import Settings
from tests.integration.service.support import Backends

FIRST = Migration(1, "0001_first.sql", b"CREATE TABLE first (id int); INSERT INTO first VALUES (1)")
SECOND = Migration(2, "0002_second.sql", b"ALTER TABLE first ADD COLUMN name text")

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
