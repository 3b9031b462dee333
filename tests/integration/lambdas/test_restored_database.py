"""A restored database is really read, over verified TLS, by the master user as the application would."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest

from gantry_runtime import postgres
from restore_test import contents, handler
from restore_test.contents import Contents, UnusableDatabaseError
from sandbox.postgres import PostgresServer
from tests.aws import servers
from tests.aws.harness import DatabaseHarness
from tests.aws.restores import KEY, PLAN, Backup, Rds
from tests.aws.secrets_manager import Secret, SecretsManager
from tests.aws.servers import MASTER_PASSWORD
from tests.aws.transport import Aws, Interruptions, SimulatedClock


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Return a server with the application's roles and, of its tables, those that a test makes."""
    with servers.database(tmp_path_factory.mktemp("restored")) as database:
        made = DatabaseHarness(database)
        yield database
        made.close()


@pytest.fixture
def application(server: PostgresServer) -> Iterator[psycopg.Connection]:
    """Return a connection of the application, in a schema of its own."""
    with psycopg.connect(
        host="127.0.0.1",
        port=server.port,
        user="app_a",
        password=48 * "0",
        dbname="app",
        sslmode="verify-full",
        sslrootcert=str(server.authority.certificate),
        autocommit=True,
    ) as connection:
        connection.execute("CREATE SCHEMA restored")
        connection.execute("SET search_path = restored")
        yield connection
        connection.execute("DROP SCHEMA restored CASCADE")


def read(server: PostgresServer) -> Contents:
    at: dict[str, Any] = {"host": "127.0.0.1", "port": server.port}
    with postgres.privileged(**at, database="postgres", user="master", password=MASTER_PASSWORD) as master:
        contents.set_up_reader(master, 48 * "x")
    with postgres.connection(
        **at, database="app", user=contents.READER, password=48 * "x", settings=contents.SETTINGS
    ) as reader:
        return contents.read(reader)


def test_rows_of_every_table_are_read(server: PostgresServer, application: psycopg.Connection) -> None:
    application.execute("CREATE TABLE tasks (id int PRIMARY KEY, title text, details jsonb)")
    application.execute("INSERT INTO tasks SELECT n, 'title ' || n, '{}' FROM generate_series(1, 25) AS n")
    application.execute('CREATE TABLE "Odd ""name""; DROP TABLE tasks" (id int)')
    application.execute("CREATE MATERIALIZED VIEW titles AS SELECT title FROM tasks LIMIT 5")
    found = read(server)
    assert (found.tables, found.rows) == (3, 30)
    assert found.bytes > 1_000_000


def test_large_table_is_read_in_part(server: PostgresServer, application: psycopg.Connection) -> None:
    application.execute("CREATE TABLE numbers AS SELECT generate_series(1, 10005) AS n")
    assert read(server).rows == 10_000


def test_database_without_tables_is_unusable(server: PostgresServer) -> None:
    with pytest.raises(UnusableDatabaseError, match="holds no table of app_owner"):
        read(server)


def test_what_belongs_to_others_is_left_alone(
    server: PostgresServer, application: psycopg.Connection
) -> None:
    application.execute("CREATE TABLE tasks (id int)")
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user="master", password=MASTER_PASSWORD, dbname="app"
    ) as master:
        master.execute("CREATE TABLE public.notes (id int)")
        master.commit()
        try:
            assert read(server).tables == 1
        finally:
            master.execute("DROP TABLE public.notes")


def test_missing_roles_are_named(server: PostgresServer) -> None:
    with (
        mock.patch.object(contents, "_ROLES", frozenset({"app_owner", "app_c"})),
        pytest.raises(UnusableDatabaseError, match="lacks the roles app_c"),
    ):
        read(server)


def test_function_queries_what_aws_restored(server: PostgresServer, application: psycopg.Connection) -> None:
    application.execute("CREATE TABLE tasks AS SELECT 1 AS id")
    clock = SimulatedClock()
    master = Secret("restored-master", {"username": "master", "password": MASTER_PASSWORD}, clock)
    rds = Rds(clock, master, host="127.0.0.1", port=server.port)
    backup = Backup(rds, clock)
    models = {"backup": backup, "rds": rds, "secretsmanager": SecretsManager(master)}
    environ = {"PLAN_NAME": PLAN, "DATABASE": "app", "SECRETS_KEY_ARN": KEY}
    job = backup.restore()
    with (
        mock.patch("boto3.client", Aws(models, clock=clock, interruptions=Interruptions()).client),
        mock.patch.dict(os.environ, {"PGSSLROOTCERT": str(server.authority.certificate)}),
    ):
        examiner = handler.assemble(environ, clock)
        while rds.clusters:
            assert examiner.run().failures == ()
            clock.sleep(300)
    assert job.validation == "SUCCESSFUL"
    assert job.message.startswith("read 1 rows of 1 tables")
    assert MASTER_PASSWORD not in Path(server.log).read_text()
