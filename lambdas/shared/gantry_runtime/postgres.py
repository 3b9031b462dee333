"""Connections to PostgreSQL over TLS that is always verified."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pg8000.native

_BUNDLE = Path(__file__).parent / "rds-global-bundle.pem"
_TIMEOUT_SECONDS = 45  # a cluster that was paused for long takes half a minute to wake up


def trust() -> ssl.SSLContext:
    """Return the TLS context that trusts the roots of Amazon RDS and checks the server's name.

    PGSSLROOTCERT, libpq's own variable, names other roots.
    """
    return ssl.create_default_context(cafile=os.environ.get("PGSSLROOTCERT", str(_BUNDLE)))


@contextmanager
def connection(
    *, host: str, port: int, database: str, user: str, password: str
) -> Iterator[pg8000.native.Connection]:
    """Open a connection for the body, verified and never in plain text.

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
    )
    try:
        yield opened
    finally:
        opened.close()
