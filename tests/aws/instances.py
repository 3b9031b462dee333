"""A cluster of two instances, which a real PostgreSQL each are."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg

from gantry_runtime import postgres
from sandbox.postgres import PostgresServer
from tests.aws import servers
from tests.aws.harness import DatabaseHarness
from tests.aws.servers import superuser

WRITER, READER = "writer.abc.example.com", "reader.abc.example.com"


@contextmanager
def two_instances(harness: DatabaseHarness, folder: Path) -> Iterator[PostgresServer]:
    """Give the cluster a reader that has what the writer has, a while later."""
    trust = folder / "both.pem"
    with (
        servers.database(folder) as reader,
        mock.patch.dict("os.environ", {"PGSSLROOTCERT": str(trust)}),
        closing(superuser(harness.server)) as source,
        closing(superuser(reader)) as replica,
    ):
        trust.write_text("".join(each.authority.certificate.read_text() for each in (harness.server, reader)))
        harness.bootstrap("Update", Port=str(reader.port))
        harness.bootstrap("Update")
        harness.aurora.endpoint = "gantry.cluster-abc.example.com"
        harness.aurora.members = ["writer", "reader"]
        connect, sleep = postgres.connection, harness.clock.sleep

        def resolve(*, host: str, port: int, **asked: Any) -> Any:  # noqa: ANN401 - as the connection
            if host.endswith(".abc.example.com"):
                host, port = "localhost", reader.port if host == READER else harness.server.port
            return connect(host=host, port=port, **asked)

        def replicate(seconds: float) -> None:
            sleep(seconds)
            with harness.interruptions.suspended():
                rows = source.execute(
                    "SELECT format('ALTER ROLE %I %s PASSWORD %L', rolname, "
                    "CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, rolpassword) "
                    "FROM pg_authid WHERE rolname ~ '^app_[ab]$|^gantry_rotator$'"
                ).fetchall()
                for (statement,) in rows:
                    replica.execute(statement)

        with (
            mock.patch.object(postgres, "connection", resolve),
            mock.patch.object(harness.clock, "sleep", replicate),
        ):
            replicate(0)
            yield reader


def log_in(server: PostgresServer, user: str, password: str) -> psycopg.Connection:
    """Return a session of a role in the application's database of an instance."""
    return psycopg.connect(
        host="localhost", port=server.port, user=user, password=password, dbname="app", autocommit=True
    )
