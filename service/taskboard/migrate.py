"""Brings the schema up to date before the service takes traffic."""

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import AsyncConnection

from taskboard.database import TABLE_LOCK_TIMEOUT, Connection, connection_parameters
from taskboard.settings import Settings

_logger = logging.getLogger(__name__)

FOLDER = Path(__file__).with_name("migrations")
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_NO_TRANSACTION = b"-- no transaction"
_LOCK = 0x67616E747279  # "gantry": one for every service that shares the database
# Seconds. A paused Aurora takes some fifteen to resume, a failover longer.
_PATIENCE = 60.0
_RETRY_PAUSE = 1.0
_TURN_PAUSE = 0.2
# Together half a minute, in which a table that is read for long may become free.
_LOCK_TRIES = 8
_LOCK_PAUSE = 3.0


class MigrationError(Exception):
    """The schema cannot be brought up to date; the message says why."""


@dataclass(frozen=True)
class Migration:
    """One step of the schema's history.

    Attributes
    ----------
    version
        Its number; the first is 1 and none is left out.
    statements
        The file. It is one transaction, unless its first line is `-- no transaction`: then each statement is
        on its own, as `CREATE INDEX CONCURRENTLY` must be, and ends with a semicolon at the end of a line.
        Such a file is applied again when it failed half-way, and waits for locks without a limit: it may hold
        only what tolerates the one and keeps no one else waiting.
    """

    version: int
    name: str
    statements: bytes

    @property
    def is_transaction(self) -> bool:
        """Whether all of it happens or nothing."""
        return self.statements.split(b"\n", 1)[0].strip() != _NO_TRANSACTION

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, by which a later change of it is noticed."""
        return hashlib.sha256(self.statements).hexdigest()


def load(folder: Path = FOLDER) -> list[Migration]:
    """Return a folder's migrations in order.

    Raises
    ------
    MigrationError
        If a file's name is wrong, or a number is missing or taken twice.
    """
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name} is not named like 0001_what_it_does.sql")
        migrations.append(Migration(int(match[1]), path.name, path.read_bytes()))
    numbers = [migration.version for migration in migrations]
    if numbers != list(range(1, len(numbers) + 1)):
        raise MigrationError(f"migrations must be numbered 1, 2, 3, …, but are {numbers}")
    return migrations


async def migrate(settings: Settings, migrations: Sequence[Migration]) -> None:
    """Apply what is missing; of several instances that start at once, one does it and the others wait.

    Raises
    ------
    MigrationError
        If the database is out of reach for a minute, refuses a migration, or had another one by that name.
    """
    connection = await _connect(settings)
    try:
        async with connection:
            await connection.execute("SET statement_timeout = 0")  # changing a schema takes time
            await _wait_for_turn(connection)
            await _apply(connection, migrations)
    except psycopg.Error as error:
        raise MigrationError(f"the database failed during the migrations: {error}") from error


async def _connect(settings: Settings) -> Connection:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return await AsyncConnection.connect(**connection_parameters(settings))
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise MigrationError(f"no connection to the database: {error}") from error
            _logger.warning("no connection to the database yet: %s", error)
        await asyncio.sleep(_RETRY_PAUSE)


async def _wait_for_turn(connection: Connection) -> None:
    """Get the lock, which ends with the connection.

    Waiting in the database would deadlock with `CREATE INDEX CONCURRENTLY` of the instance that has the lock:
    that waits for every transaction that began before, and a statement that waits for a lock is one.
    """
    said = False
    while True:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        if await cursor.fetchone() == (True,):
            return
        if not said:
            _logger.info("another instance migrates; waiting for it")
            said = True
        await asyncio.sleep(_TURN_PAUSE)


async def _apply(connection: Connection, migrations: Sequence[Migration]) -> None:
    await connection.execute(
        """
        CREATE TABLE IF NOT EXISTS schema_migrations (
            version    integer PRIMARY KEY,
            name       text NOT NULL,
            checksum   text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    rows = await (
        await connection.execute("SELECT version, name, checksum FROM schema_migrations")
    ).fetchall()
    applied = {version: (name, checksum) for version, name, checksum in rows}
    for migration in migrations:
        if migration.version not in applied:
            await _apply_one(connection, migration)
        elif applied[migration.version] != (migration.name, migration.checksum):
            raise MigrationError(
                f"{migration.name} is not what was applied to this database; add a new one instead"
            )
    if unknown := sorted(set(applied) - {migration.version for migration in migrations}):
        # After a rollback of the service. Migrations are written so that the version before can live with it.
        _logger.warning("the schema is ahead of this version by the migrations %s", unknown)


async def _apply_one(connection: Connection, migration: Migration) -> None:
    _logger.info("applying %s", migration.name)
    began = time.monotonic()
    try:
        await (_transact if migration.is_transaction else _execute_each)(connection, migration)
    except psycopg.Error as error:
        raise MigrationError(f"{migration.name} failed: {error}") from error
    _logger.info("applied %s in %.0f ms", migration.name, (time.monotonic() - began) * 1000)


async def _transact(connection: Connection, migration: Migration) -> None:
    for attempt in range(1, _LOCK_TRIES + 1):
        try:
            async with connection.transaction():
                # While it waits for a table, every request to that table waits behind it.
                await connection.execute(f"SET LOCAL lock_timeout = '{TABLE_LOCK_TIMEOUT}s'")
                await connection.execute(migration.statements)
                await _record(connection, migration)
        except psycopg.errors.LockNotAvailable:
            if attempt == _LOCK_TRIES:
                raise
            _logger.warning(
                "%s waits for a table that is in use: %s of %s tries", migration.name, attempt, _LOCK_TRIES
            )
            await asyncio.sleep(_LOCK_PAUSE)
        else:
            return


async def _execute_each(connection: Connection, migration: Migration) -> None:
    for statement in re.split(rb";[ \t\r]*(?:\n|$)", migration.statements):
        if statement.strip():
            await connection.execute(statement)
    await _record(connection, migration)


async def _record(connection: Connection, migration: Migration) -> None:
    await connection.execute(
        "INSERT INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)",
        [migration.version, migration.name, migration.checksum],
    )
