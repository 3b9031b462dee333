"""Reads what a restored database holds."""

from dataclasses import dataclass

from pg8000.native import Connection

from gantry_runtime.failures import SafeError

_OWNER = "app_owner"
_ROLES = frozenset({_OWNER, "app_a", "app_b", "gantry_rotator"})
# Of each table, with all columns: enough to see that it can be read, and soon done for a large one.
_ROWS_A_TABLE = 10_000


class UnusableDatabaseError(SafeError):
    """A restored database with which the service could not work."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What was read of a database.

    Attributes
    ----------
    tables, rows
        How many were read.
    bytes
        Size of the database.
    """

    tables: int
    rows: int
    bytes: int


def read(connection: Connection) -> Contents:
    """Read rows of every table as the application would, changing nothing.

    Parameters
    ----------
    connection
        To the restored database, as its master user.

    Raises
    ------
    UnusableDatabaseError
        When roles or all tables of the application are missing.
    pg8000.DatabaseError
        When something cannot be read.
    """
    _require_roles(connection)
    connection.run(f"SET ROLE {_OWNER}")
    connection.run("SET default_transaction_read_only = on")
    connection.run("SET statement_timeout = '60s'")
    tables = [
        str(name)
        for (name,) in connection.run(
            "SELECT format('%I.%I', relnamespace::regnamespace::text, relname) FROM pg_class "
            "WHERE relkind IN ('r', 'm') AND pg_get_userbyid(relowner) = :owner ORDER BY 1",
            owner=_OWNER,
        )
    ]
    if not tables:
        raise UnusableDatabaseError(f"the restored database holds no table of {_OWNER}")
    ((size,),) = connection.run("SELECT pg_database_size(current_database())")
    return Contents(tables=len(tables), rows=sum(_read(connection, name) for name in tables), bytes=int(size))


def _require_roles(connection: Connection) -> None:
    found = {str(name) for (name,) in connection.run("SELECT rolname FROM pg_roles")}
    if missing := sorted(_ROLES - found):
        raise UnusableDatabaseError(f"the restored database lacks the roles {', '.join(missing)}")


def _read(connection: Connection, table: str) -> int:
    """Return how many rows were read; casting a row to text reads every column of it."""
    ((rows, _),) = connection.run(
        "SELECT count(*), max(length(row::text)) "  # noqa: S608 - the name comes quoted from format('%I')
        f"FROM (SELECT * FROM {table} LIMIT {_ROWS_A_TABLE}) AS row"
    )
    return int(rows)
