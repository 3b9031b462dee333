"""The application's roles in the database.

Two log-in roles take turns, so that a rotation changes the password of the one that is not in use. Whatever
either of them makes belongs to `app_owner`, so that neither ever lacks a right on what the other made.

The application may do in its database what it likes, and is not trusted by those who may do more: the master
user owns the database, and roles are administered in another one
(docs/decisions/0043-roles-in-a-database-of-their-own.md).
"""

from pathlib import Path

from pg8000.native import Connection, DatabaseError, identifier, literal

from contract.database import ADMINISTRATION, LOGIN_ROLES, OWNER, ROTATOR, STATEMENT_TIMEOUT
from gantry_runtime.failures import SafeError

# Of a step and of looks at the same time, on one instance, with room to spare.
_SESSIONS = 20
_ATTEMPTS = 200
_CONCURRENTLY = "tuple concurrently updated"  # has no code of its own
_SET_IN = """
    SELECT datname FROM pg_catalog.pg_db_role_setting
    JOIN pg_catalog.pg_database ON pg_database.oid = setdatabase
    JOIN pg_catalog.pg_roles ON pg_roles.oid = setrole WHERE rolname = :role
"""
_END_SESSIONS = """
    SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usename = :role
"""
_DUPLICATE_DATABASE = "42P04"

_FUNCTIONS = (
    Path(__file__)
    .with_name("functions.sql")
    .read_text()
    .replace(":login_roles", ", ".join(map(literal, LOGIN_ROLES)))
    .replace(":statement_timeout", literal(STATEMENT_TIMEOUT))
    .replace(":rotator", identifier(ROTATOR))
)


class RolesError(SafeError):
    """The roles cannot be made as asked."""


def ensure_database(connection: Connection) -> None:
    """Make the database that roles are administered in, which the application cannot log in to.

    Parameters
    ----------
    connection
        To any database, as the master user.

    Raises
    ------
    pg8000.DatabaseError
        When the database refuses.
    """
    name = identifier(ADMINISTRATION)
    if not connection.run("SELECT FROM pg_catalog.pg_database WHERE datname = :name", name=ADMINISTRATION):
        try:
            # template1 may be in use by anyone, and then cannot be copied.
            connection.run(f"CREATE DATABASE {name} TEMPLATE template0")
        except DatabaseError as error:
            if error.args[0].get("C") != _DUPLICATE_DATABASE:  # of an invocation at the same time
                raise
    connection.run(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")


def ensure_roles(
    connection: Connection, *, database: str, user: str, user_verifier: str, rotator_verifier: str
) -> None:
    """Make what is missing of the roles and their rights; safe to repeat at any time, also after a crash.

    Parameters
    ----------
    connection
        To the database `ADMINISTRATION`, as the master user: not a superuser, with CREATEROLE and CREATEDB.
    database
        Name of the application's database.
    user
        The application role that is in use; the other one is left as it is.
    user_verifier, rotator_verifier
        SCRAM verifiers of the passwords of that role and of the rotator.

    Raises
    ------
    RolesError
        When `user` is not one of the application's roles.
    pg8000.DatabaseError
        When the database refuses.
    """
    if user not in LOGIN_ROLES:
        raise RolesError(f"the application's user must be one of {', '.join(LOGIN_ROLES)}, not {user}")
    connection.run("BEGIN")
    for role in (OWNER, *LOGIN_ROLES, ROTATOR):
        _ensure_role(connection, role)
    for role in LOGIN_ROLES:
        connection.run(f"GRANT {OWNER} TO {role} WITH INHERIT TRUE, SET TRUE")
        # Of the role rather than of its sessions: a proxy pins each session that sets something.
        connection.run(f"ALTER ROLE {role} SET role = '{OWNER}'")
    # For those who work as the master user on what the application made.
    connection.run(f"GRANT {OWNER} TO CURRENT_USER WITH SET TRUE, INHERIT FALSE")
    connection.run("CREATE SCHEMA IF NOT EXISTS gantry")
    connection.run(_FUNCTIONS)
    connection.run(f"GRANT CONNECT ON DATABASE {identifier(ADMINISTRATION)} TO {ROTATOR}")
    _ensure_ownership(connection, database)
    connection.run("SELECT gantry.set_password(:role, :verifier)", role=user, verifier=user_verifier)
    set_rotator_password(connection, rotator_verifier)
    connection.run("COMMIT")


def set_rotator_password(connection: Connection, rotator_verifier: str) -> None:
    """Let the rotator log in with one password and no other, and with no settings of its own.

    A role may change its own password and settings, so a stolen session may have done both.

    Parameters
    ----------
    connection
        As the master user.
    rotator_verifier
        SCRAM verifier of the password.

    Raises
    ------
    pg8000.DatabaseError
        When the database refuses.
    """
    # To end the rotator's sessions, which takes the rights of their role.
    connection.run(f"GRANT {ROTATOR} TO CURRENT_USER WITH INHERIT TRUE, SET FALSE")
    _alter_rotator(connection, "RESET ALL")
    for (database,) in connection.run(_SET_IN, role=ROTATOR):
        _alter_rotator(connection, f"IN DATABASE {identifier(database)} RESET ALL")
    password = literal(rotator_verifier)
    _alter_rotator(connection, f"LOGIN PASSWORD {password} CONNECTION LIMIT {_SESSIONS}")


def lock_rotator_out(connection: Connection) -> None:
    """Let the rotator log in no more, until it is given a password.

    Parameters
    ----------
    connection
        As the master user.

    Raises
    ------
    pg8000.DatabaseError
        When the database refuses.
    """
    _alter_rotator(connection, "NOLOGIN")


def _alter_rotator(connection: Connection, change: str) -> None:
    """Change the rotator, also while a session of its own changes it all the time."""
    for _ in range(_ATTEMPTS):
        try:
            connection.run(f"ALTER ROLE {ROTATOR} {change}")
        except DatabaseError as error:
            if error.args[0].get("M") != _CONCURRENTLY:
                raise
        else:
            return
    raise RolesError(f"{ROTATOR} is changed by others all the time")


def end_rotator_sessions(connection: Connection) -> int:
    """End the rotator's sessions on an instance; return how many there were.

    Parameters
    ----------
    connection
        To the instance, as the master user, who has been granted the rotator's role.

    Raises
    ------
    pg8000.DatabaseError
        When the database refuses.
    """
    return len(connection.run(_END_SESSIONS, role=ROTATOR))


def ensure_schema(connection: Connection) -> None:
    """Let the application make what it likes in its database.

    Parameters
    ----------
    connection
        To the application's database, as the master user.

    Raises
    ------
    pg8000.DatabaseError
        When the database refuses.
    """
    owners = dict(
        connection.run("SELECT nspname, pg_catalog.pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace")
    )
    if owners.get("public", OWNER) != OWNER:
        connection.run(f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER}")
    ((master,),) = connection.run("SELECT current_user")
    if owners.get("gantry") == master:  # where the functions were before they had a database of their own
        connection.run("DROP SCHEMA gantry CASCADE")


def _ensure_role(connection: Connection, role: str) -> None:
    if not connection.run("SELECT FROM pg_catalog.pg_roles WHERE rolname = :name", name=role):
        connection.run(f"CREATE ROLE {identifier(role)} NOLOGIN")


def _ensure_ownership(connection: Connection, database: str) -> None:
    """Have the master user own the database: its owner decides who may log in, and under which settings."""
    name = identifier(database)
    ((owner,),) = connection.run(
        "SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname = :name",
        name=database,
    )
    if owner == OWNER:
        connection.run(f"GRANT {OWNER} TO CURRENT_USER WITH INHERIT TRUE")
        connection.run(f"ALTER DATABASE {name} OWNER TO CURRENT_USER")
        connection.run(f"ALTER DATABASE {name} RESET ALL")
        connection.run(f"REVOKE ALL ON DATABASE {name} FROM {ROTATOR}")
        connection.run(f"GRANT {OWNER} TO CURRENT_USER WITH INHERIT FALSE")
    connection.run(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    connection.run(f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {name} TO {OWNER}")
