"""The real PostgreSQL and Valkey that tests of functions run against."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from sandbox.load_balancer.alone import tls_in_front_of
from sandbox.ports import any_free
from sandbox.postgres import PostgresServer
from sandbox.tls import Authority, ensure_authority
from sandbox.valkey import ValkeyServer

MASTER_PASSWORD = "master-password-of-the-tests"


@dataclass(frozen=True)
class Cache:
    """Valkey behind TLS, as clients reach it."""

    server: ValkeyServer
    port: int
    authority: Authority


@contextmanager
def database(folder: Path) -> Iterator[PostgresServer]:
    """Run PostgreSQL with a master user who is no superuser, as on RDS, and the database `app`."""
    server = PostgresServer(
        data_dir=folder / "data",
        port=any_free(),
        authority=ensure_authority(folder / "tls"),
        log=folder / "log",
    )
    server.start()
    try:
        _make_hasty(server)
        server.set_master("master", MASTER_PASSWORD, database="app")
        yield server
    finally:
        server.destroy()


def _make_hasty(server: PostgresServer) -> None:
    """Have the server make nothing safe from a power cut."""
    with superuser(server) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")


def superuser(server: PostgresServer, database: str = "postgres") -> psycopg.Connection:
    """Return a connection of the role that the server's customers never get."""
    return server._connect(database)


@contextmanager
def cache(folder: Path) -> Iterator[Cache]:
    """Run Valkey behind TLS."""
    authority = ensure_authority(folder / "tls")
    server = ValkeyServer(data_dir=folder / "data", port=any_free(), log=folder / "log")
    server.start()
    try:
        with tls_in_front_of(server.port, folder) as port:
            yield Cache(server, port, authority)
    finally:
        server.destroy()
