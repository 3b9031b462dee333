"""Connections to PostgreSQL over TLS that is always verified."""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pg8000.native

from contract.database import ADMINISTRATION

_BUNDLE = Path(__file__).parent / "rds-global-bundle.pem"
_TIMEOUT_SECONDS = 45  # a cluster that was paused for long takes half a minute to resume
ANY_DATABASE = "postgres"  # which every cluster has
LOCK_TIMEOUT = "20s"
_LOCK_NOT_AVAILABLE = "55P03"
# Given as the session begins, where they count more than what a database or a role has been set to.
# lock < statement < answer (`_TIMEOUT_SECONDS`) < function.
_PRIVILEGED = {
    "search_path": "pg_catalog, pg_temp",
    "statement_timeout": "40s",
    "idle_in_transaction_session_timeout": "1min",
    # A function that was cut off must not hold a lock: its machine may be gone without a word.
    "idle_session_timeout": "15min",
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "default_transaction_read_only": "off",
    # Settings that a role may give itself, by which it would shut itself out.
    "local_preload_libraries": "",
    "transaction_timeout": "0",
}


def trust() -> ssl.SSLContext:
    """Return the TLS context that trusts the roots of Amazon RDS and checks the server's name.

    PGSSLROOTCERT, libpq's own variable, names other roots.
    """
    return ssl.create_default_context(cafile=os.environ.get("PGSSLROOTCERT", str(_BUNDLE)))


@contextmanager
def connection(
    *,
    host: str,
    port: int,
    database: str,
    user: str,
    password: str,
    settings: Mapping[str, str] | None = None,
) -> Iterator[pg8000.native.Connection]:
    """Open a connection for the body, verified and never in plain text.

    Parameters
    ----------
    host, port, database, user, password
        Where to, and as whom.
    settings
        Of the session, by the names of PostgreSQL's parameters.

    Raises
    ------
    pg8000.Error
        When the server refuses the log-in.
    OSError
        When it cannot be reached or its certificate is not trusted.
    """
    opened = pg8000.native.Connection(
        user,
        host=host,
        port=port,
        database=database,
        password=password,
        ssl_context=trust(),
        timeout=_TIMEOUT_SECONDS,
        application_name="gantry",
        startup_params=dict(settings or {}),
    )
    try:
        yield opened
    finally:
        opened.close()


def privileged(
    *, host: str, port: int, database: str = ADMINISTRATION, user: str, password: str
) -> AbstractContextManager[pg8000.native.Connection]:
    """Open a connection as the master user or the rotator, with nothing of the application's in its way.

    Parameters
    ----------
    host, port, database, user, password
        Where to, and as whom.

    Raises
    ------
    pg8000.Error
        When the server refuses the log-in.
    OSError
        When it cannot be reached or its certificate is not trusted.
    """
    return connection(
        host=host,
        port=port,
        database=database,
        user=user,
        password=password,
        settings={**_PRIVILEGED, "lock_timeout": LOCK_TIMEOUT},
    )


def take_turn(connection: pg8000.native.Connection) -> bool:
    """Wait until no one else changes the roles; then have them wait until the connection ends.

    Parameters
    ----------
    connection
        A privileged one to `ADMINISTRATION`, whose lock it is, as all advisory locks are a database's.

    Returns
    -------
    bool
        Whether it is this one's turn; otherwise another took longer than is waited for.
    """
    try:
        connection.run("SELECT pg_catalog.pg_advisory_lock(1::bigint)")
    except pg8000.native.DatabaseError as error:
        if error.args[0].get("C") != _LOCK_NOT_AVAILABLE:
            raise
        return False
    return True
