"""Reads what a restored database holds.

What the application made may have code in it, such as a policy on a table or a cast, which runs with the
rights of the reader. So the reader is a role of its own that may do what the application may, and no more.
"""

from dataclasses import dataclass

from pg8000.native import Connection, literal

from contract.database import LOGIN_ROLES, OWNER, ROTATOR
from gantry_runtime.failures import SafeError
from gantry_runtime.scram import verifier

READER = "gantry_restore_test"
# Of the reader's sessions.
SETTINGS = {
    "search_path": "pg_catalog, pg_temp",
    "default_transaction_read_only": "on",
    "statement_timeout": "60s",
}
_ROLES = frozenset({OWNER, *LOGIN_ROLES, ROTATOR})
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


def set_up_reader(connection: Connection, password: str) -> None:
    """Let `READER` log in with a password.

    Parameters
    ----------
    connection
        To any database of the restored cluster but the application's, as the master user.
    password
        The reader's, for this once.

    Raises
    ------
    UnusableDatabaseError
        When roles are missing.
    pg8000.DatabaseError
        When the database refuses.
    """
    found = {str(name) for (name,) in connection.run("SELECT rolname FROM pg_roles")}
    if missing := sorted(_ROLES - found):
        raise UnusableDatabaseError(f"the restored database lacks the roles {', '.join(missing)}")
    if READER not in found:
        connection.run(f"CREATE ROLE {READER} NOLOGIN")
    connection.run(f"GRANT {OWNER} TO {READER} WITH INHERIT TRUE, SET TRUE")
    connection.run(f"ALTER ROLE {READER} LOGIN PASSWORD {literal(verifier(password))}")


def read(connection: Connection) -> Contents:
    """Read rows of every table as the application would, changing nothing.

    Parameters
    ----------
    connection
        To the restored database, as `READER` with `SETTINGS`.

    Raises
    ------
    UnusableDatabaseError
        When all tables of the application are missing.
    pg8000.DatabaseError
        When something cannot be read.
    """
    connection.run(f"SET ROLE {OWNER}")
    tables = [
        str(name)
        for (name,) in connection.run(
            "SELECT format('%I.%I', relnamespace::regnamespace::text, relname) FROM pg_class "
            "WHERE relkind IN ('r', 'm') AND pg_get_userbyid(relowner) = :owner ORDER BY 1",
            owner=OWNER,
        )
    ]
    if not tables:
        raise UnusableDatabaseError(f"the restored database holds no table of {OWNER}")
    ((size,),) = connection.run("SELECT pg_database_size(current_database())")
    return Contents(tables=len(tables), rows=sum(_read(connection, name) for name in tables), bytes=int(size))


def _read(connection: Connection, table: str) -> int:
    """Return how many rows were read; casting a row to text reads every column of it."""
    ((rows, _),) = connection.run(
        "SELECT count(*), max(length(row::text)) "  # noqa: S608 - the name comes quoted from format('%I')
        f"FROM (SELECT * FROM {table} LIMIT {_ROWS_A_TABLE}) AS row"
    )
    return int(rows)
