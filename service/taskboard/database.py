"""PostgreSQL: connections that are few, short-lived when idle, and never waited for without a bound."""

import asyncio
import logging
import select
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, TooManyRequests

from taskboard.board import Board
from taskboard.errors import UnavailableError
from taskboard.settings import Settings

Connection = AsyncConnection[TupleRow]

_logger = logging.getLogger(__name__)

# Seconds, each limit below the next: a change of a table gives up waiting for its lock, as every statement on
# that table waits behind it; then the database gives up a statement (`statement_timeout` of its roles, set by
# the platform); then the service gives up the database.
TABLE_LOCK_TIMEOUT = 1.0
STATEMENT_TIMEOUT = 3.0
LOAN_TIMEOUT = 4.0
_CONNECT_TIMEOUT = 2
_PREPARE_THRESHOLD = 5  # executions of a statement before it is prepared
_WAIT_FOR_CONNECTION = 3.0
# How long requests are refused at once after no connection could be made.
_OUTAGE_PAUSE = 0.5
# How long a probe reports a write that found no room. Reads go on then, and a write of its own takes room.
_FULL_MEMORY = 60.0
# One idle connection above the minimum is closed this often, so that a paused Aurora can pause.
_MAX_IDLE = 5.0
_MAX_LIFETIME = 1800.0


@dataclass(frozen=True)
class DatabaseProbe:
    """The result of a round trip to the database.

    Attributes
    ----------
    latency_ms
        How long it took, in milliseconds, with the time to get a connection.
    session_user
        The role that logged in.
    current_user
        The role whose rights apply.
    """

    latency_ms: float
    session_user: str
    current_user: str


def connection_parameters(settings: Settings) -> dict[str, Any]:
    """Return what `psycopg.connect` takes; the roots that it trusts come from PGSSLROOTCERT."""
    credentials = settings.database_secret
    return {
        "host": settings.database_host,
        "port": settings.database_port,
        "dbname": settings.database_name,
        "user": credentials.username,
        "password": credentials.password.get_secret_value(),
        "application_name": f"taskboard {settings.service_version}",
        "sslmode": "verify-full",
        # After a failover a name may point at the old writer for some seconds.
        "target_session_attrs": "read-write",
        "connect_timeout": _CONNECT_TIMEOUT,
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "prepare_threshold": _PREPARE_THRESHOLD if settings.database_prepared_statements else None,
        "autocommit": True,
    }


class Database:
    """The pool of connections.

    Connections are opened on demand with the credentials that the process was started with. A rotation gives
    new processes the other role and leaves this one valid until they have taken over.
    """

    def __init__(self, settings: Settings, board: Board) -> None:
        self._outage: asyncio.Future[None]  # done when the next attempt to connect has failed
        self._outage_until = 0.0
        self._board = board
        self._pool = AsyncConnectionPool(
            kwargs=connection_parameters(settings),
            min_size=settings.database_pool_min,
            max_size=settings.database_pool_max,
            timeout=_WAIT_FOR_CONNECTION,
            max_waiting=settings.database_pool_max * 20,
            max_idle=_MAX_IDLE,
            max_lifetime=_MAX_LIFETIME,
            # The pool's own way is to try again after ever longer pauses, which would go on for a minute
            # after the database is back. Here every attempt is made for a request, which learns of its end.
            reconnect_timeout=0,
            reconnect_failed=self._note_failure,
            open=False,
            name="database",
        )

    async def open(self) -> None:
        """Start the pool; this does not wait for a connection."""
        self._outage = asyncio.get_running_loop().create_future()
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close(timeout=2)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection in autocommit mode.

        Raises
        ------
        UnavailableError
            If there is none within a few seconds, or the database fails or stalls while it is lent.
        """
        try:
            connection = await self._borrow()
            try:
                # A server that hangs is noticed by no other means: cancelling would wait for its answer.
                watchdog = asyncio.get_running_loop().call_later(LOAN_TIMEOUT, _cut, connection)
                try:
                    yield connection
                finally:
                    watchdog.cancel()
            except psycopg.errors.ReadOnlySqlTransaction:
                await connection.close()  # the server is no longer the writer
                raise
            finally:
                await self._pool.putconn(connection)
        except (
            psycopg.OperationalError,
            psycopg.InterfaceError,
            psycopg.errors.ReadOnlySqlTransaction,
        ) as error:
            if isinstance(error, psycopg.errors.DiskFull | psycopg.errors.IoError):
                self._board.database_full_until = time.monotonic() + _FULL_MEMORY
            shed = isinstance(error, TooManyRequests)
            raise UnavailableError("database", str(error).strip(), shed=shed) from error

    async def probe(self) -> DatabaseProbe:
        """Make a round trip.

        Raises
        ------
        UnavailableError
            If the database does not answer, or had no room for a write during the last minute.
        """
        began = time.perf_counter()
        async with self.connection() as connection:
            cursor = await connection.execute("SELECT session_user, current_user")
            row = await cursor.fetchone()
        assert row is not None  # noqa: S101 - such a SELECT has a row
        if time.monotonic() < self._board.database_full_until:
            raise UnavailableError("database", "it answers, but had no room for a write a moment ago")
        latency = (time.perf_counter() - began) * 1000
        return DatabaseProbe(latency_ms=round(latency, 2), session_user=row[0], current_user=row[1])

    async def _borrow(self) -> Connection:
        if time.monotonic() < self._outage_until:
            raise psycopg.OperationalError("the last attempt to connect has just failed")
        while True:
            connection = await self._wait_for_connection()
            if not _has_ended(connection):
                return connection
            await connection.close()
            await self._pool.putconn(connection)  # which has it replaced

    async def _wait_for_connection(self) -> Connection:
        if self._pool.get_stats()["pool_available"]:
            return await self._pool.getconn()
        loan = asyncio.ensure_future(self._pool.getconn())
        either: set[asyncio.Future[Any]] = {loan, self._outage}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not loan.done():
                raise psycopg.OperationalError("no connection can be made")
            return loan.result()
        finally:
            loan.cancel()

    async def _note_failure(self, pool: AsyncConnectionPool[Connection]) -> None:
        if pool.get_stats()["pool_size"]:
            return  # another connection exists, or is being made, and may become free in time
        self._outage_until = time.monotonic() + _OUTAGE_PAUSE
        self._outage.set_result(None)
        self._outage = asyncio.get_running_loop().create_future()


def _has_ended(connection: Connection) -> bool:
    """Return whether the server has sent something on an idle connection: it can only be that it ends."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _cut(connection: Connection) -> None:
    """Break a connection under the one who waits for it, who then learns that it is lost."""
    if connection.closed:
        return
    _logger.error("a database connection was in use for more than %s s and is cut", LOAN_TIMEOUT)
    with socket.socket(fileno=socket.dup(connection.fileno())) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)
