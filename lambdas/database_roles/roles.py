"""The application's roles in the database.

Two log-in roles take turns, so that a rotation changes the password of the one that is not in use. Whatever
either of them makes belongs to `app_owner`, so that neither ever lacks a right on what the other made.
"""

from pathlib import Path

from pg8000.native import Connection, identifier, literal

from gantry_runtime.failures import SafeError

OWNER = "app_owner"
APPLICATION_ROLES = ("app_a", "app_b")
ROTATOR = "gantry_rotator"
# Of the roles rather than of their sessions: a proxy pins each session that sets something.
_SETTINGS = {"role": OWNER, "statement_timeout": "3s"}

_FUNCTIONS = Path(__file__).with_name("functions.sql").read_text()


class RolesError(SafeError):
    """The roles cannot be made as asked."""


def take_turns(connection: Connection) -> None:
    """Wait until nobody else, such as a rotation, changes the roles; then have them wait for this one."""
    connection.run("SELECT pg_advisory_lock(hashtext('gantry.rotation'))")


def ensure_roles(
    connection: Connection, *, database: str, user: str, user_verifier: str, rotator_verifier: str
) -> None:
    """Make what is missing of the roles and their rights; safe to repeat at any time, also after a crash.

    Parameters
    ----------
    connection
        To the database, as the master user: not a superuser, with CREATEROLE and CREATEDB.
    database
        Name of the database, which becomes the owner role's.
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
    if user not in APPLICATION_ROLES:
        raise RolesError(f"the application's user must be one of {', '.join(APPLICATION_ROLES)}, not {user}")
    connection.run("BEGIN")
    for role in (OWNER, *APPLICATION_ROLES, ROTATOR):
        _ensure_role(connection, role)
    _ensure_rights(connection)
    _ensure_ownership(connection, database)
    _admit(connection, user, user_verifier)
    _admit(connection, ROTATOR, rotator_verifier)
    connection.run("COMMIT")


def _ensure_role(connection: Connection, role: str) -> None:
    if not connection.run("SELECT 1 FROM pg_roles WHERE rolname = :name", name=role):
        connection.run(f"CREATE ROLE {identifier(role)} NOLOGIN")


def _ensure_rights(connection: Connection) -> None:
    for role in APPLICATION_ROLES:
        connection.run(f"GRANT {OWNER} TO {role} WITH INHERIT TRUE, SET TRUE")
        for name, value in _SETTINGS.items():
            connection.run(f"ALTER ROLE {role} SET {name} = '{value}'")
    # The master user must be able to become the owner to hand things over to it.
    connection.run(f"GRANT {OWNER} TO CURRENT_USER WITH SET TRUE, INHERIT FALSE")


def _ensure_ownership(connection: Connection, database: str) -> None:
    (master,), *_ = connection.run("SELECT session_user")
    if not connection.run("SELECT 1 FROM pg_namespace WHERE nspname = 'gantry'"):
        connection.run("CREATE SCHEMA gantry")
    connection.run(_FUNCTIONS)
    ((owner,),) = connection.run(
        "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = :name", name=database
    )
    if owner != OWNER:
        connection.run(f"ALTER DATABASE {identifier(database)} OWNER TO {OWNER}")
    # Who may come in: the owner's members by inheritance, the rotator, and the master user.
    connection.run(f"SET LOCAL ROLE {OWNER}")
    connection.run(f"REVOKE ALL ON DATABASE {identifier(database)} FROM PUBLIC")
    connection.run(f"GRANT CONNECT ON DATABASE {identifier(database)} TO {ROTATOR}")
    connection.run(f"GRANT CONNECT, CREATE ON DATABASE {identifier(database)} TO {identifier(master)}")
    connection.run("RESET ROLE")


def _admit(connection: Connection, role: str, verifier: str) -> None:
    connection.run(f"ALTER ROLE {identifier(role)} LOGIN PASSWORD {literal(verifier)}")
