"""What the database says of the two roles, and how it differs from what a rotation leaves."""

import pg8000.native

from contract.database import LOGIN_ROLES, OWNER, STATEMENT_TIMEOUT

# Of the settings only those of the role that is in use: it may set its own, and no one else does.
_STATES = """
    SELECT
        rolname,
        rolcanlogin,
        rolconnlimit = greatest(1, (current_setting('max_connections')::integer - 20) / 2),
        rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,
        ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = pg_roles.oid ORDER BY 1),
        ARRAY(SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setrole = pg_roles.oid ORDER BY 1)
    FROM pg_roles WHERE rolname = ANY(:roles) ORDER BY 1
"""
# As functions.sql in lambdas/database_roles leaves them.
_MEMBERSHIPS = [OWNER]
_SETTINGS = [
    f"role={OWNER}",
    f"statement_timeout={STATEMENT_TIMEOUT}",
]  # functions.sql in lambdas/database_roles


def differences(connection: pg8000.native.Connection, user: str) -> list[str]:
    """Return in words what of the two roles is not as a rotation leaves it.

    Parameters
    ----------
    connection
        A privileged one, with `pg_catalog` alone on its path.
    user
        The role that is in use.
    """
    found = []
    states = connection.run(_STATES, roles=list(LOGIN_ROLES))
    for name, logs_in, limited, privileged, memberships, settings in states:
        in_use = name == user
        checks = {
            f"{name} may {'not ' if in_use else ''}log in": logs_in != in_use,
            f"{name} has another connection limit": in_use and not limited,
            f"{name} has attributes such as CREATEROLE": privileged,
            f"{name} is a member of {', '.join(memberships) or 'nothing'}": memberships != _MEMBERSHIPS,
            f"{name} has settings of its own": in_use and settings != _SETTINGS,
        }
        found += [what for what, differs in checks.items() if differs]
    return found
