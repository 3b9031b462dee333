"""The application's roles, made in a real PostgreSQL by a master user who is no superuser, as on RDS."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest
from pg8000.native import Connection, InterfaceError

from contract.database import ADMINISTRATION
from database_roles.roles import RolesError, ensure_database, ensure_roles, ensure_schema
from gantry_runtime import postgres
from gantry_runtime.scram import verifier
from sandbox.ports import any_free
from sandbox.postgres import PostgresServer
from sandbox.tls import ensure_authority
from tests.aws.harness import DatabaseHarness
from tests.aws.servers import MASTER_PASSWORD
from tests.aws.transport import Answer, AwsError

PASSWORDS = {"master": MASTER_PASSWORD, "app_a": "a-1", "app_b": "b-1", "gantry_rotator": "rotator-1"}


@pytest.fixture(scope="module")
def server(database: PostgresServer) -> PostgresServer:
    return database


@pytest.fixture(scope="module", autouse=True)
def _roles(server: PostgresServer) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGSSLROOTCERT", str(server.authority.certificate))
        ensure(server)
        yield


def ensure(server: PostgresServer, user: str = "app_a") -> None:
    with as_master(server, "postgres") as connection:
        ensure_database(connection)
    with as_master(server) as connection:
        ensure_roles(
            connection,
            database="app",
            user=user,
            user_verifier=verifier(PASSWORDS[user]),
            rotator_verifier=verifier(PASSWORDS["gantry_rotator"]),
        )
    with as_master(server, "app") as connection:
        ensure_schema(connection)


def as_master(server: PostgresServer, database: str = ADMINISTRATION) -> AbstractContextManager[Connection]:
    return postgres.privileged(
        host="127.0.0.1", port=server.port, database=database, user="master", password=PASSWORDS["master"]
    )


@contextmanager
def log_in(
    server: PostgresServer, role: str, password: str | None = None, *, database: str | None = None
) -> Iterator[psycopg.Connection]:
    with psycopg.connect(
        host="127.0.0.1",
        port=server.port,
        user=role,
        password=password or PASSWORDS[role],
        dbname=database or ("gantry" if role == "gantry_rotator" else "app"),
        sslmode="verify-full",
        sslrootcert=str(server.authority.certificate),
        autocommit=True,
    ) as connection:
        yield connection


def set_password(server: PostgresServer, role: str) -> None:
    with log_in(server, "gantry_rotator") as rotator:
        rotator.execute("SELECT gantry.set_password(%s, %s)", [role, verifier(PASSWORDS[role])])


def can_log_in(server: PostgresServer, role: str) -> bool:
    try:
        with log_in(server, role):
            return True
    except psycopg.OperationalError:
        return False


def test_application_works_as_the_owner_without_asking(server: PostgresServer) -> None:
    with log_in(server, "app_a") as connection:
        assert connection.execute("SELECT session_user::text, current_user::text").fetchone() == (
            "app_a",
            "app_owner",
        )


def test_application_is_set_up_by_its_role_so_that_a_reset_session_is_as_new(server: PostgresServer) -> None:
    """A proxy resets its sessions between clients, and pins each that sets something itself."""
    with log_in(server, "app_a") as connection:
        for statement in ("SELECT 1", "RESET ALL", "DISCARD ALL"):
            connection.execute(statement)
            assert connection.execute(
                "SELECT current_user::text, current_setting('statement_timeout')"
            ).fetchone() == ("app_owner", "3s")


def test_what_one_role_made_belongs_to_both(server: PostgresServer) -> None:
    with log_in(server, "app_a") as first:
        first.execute("CREATE TABLE things (id int); INSERT INTO things VALUES (1)")
    set_password(server, "app_b")
    with log_in(server, "app_b") as second:
        second.execute("ALTER TABLE things ADD COLUMN name text")
        second.execute("CREATE TABLE more (id int); DROP TABLE things")
    with log_in(server, "app_a") as first:
        first.execute("DROP TABLE more")


def test_retired_role_is_out_and_can_be_admitted_again(server: PostgresServer) -> None:
    set_password(server, "app_b")
    with log_in(server, "app_b") as held, log_in(server, "gantry_rotator") as rotator:
        rotator.execute("SELECT gantry.retire('app_b')")
        assert not can_log_in(server, "app_b")
        held.execute("SELECT 1")
        rotator.execute("SELECT gantry.end_sessions('app_b')")
        with pytest.raises(psycopg.OperationalError):
            held.execute("SELECT 1")
    set_password(server, "app_b")
    assert can_log_in(server, "app_b")


def test_repeating_disturbs_neither_the_other_role_nor_the_data(server: PostgresServer) -> None:
    set_password(server, "app_b")
    with log_in(server, "app_a") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS id")
    ensure(server, "app_b")
    ensure(server, "app_a")
    assert can_log_in(server, "app_b")
    with log_in(server, "app_b") as connection:
        assert connection.execute("SELECT id FROM kept").fetchone() == (1,)
        connection.execute("DROP TABLE kept")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM secrets_of_the_application",
        "SET ROLE app_owner",
        "SET ROLE app_a",
        "CREATE ROLE another",
        "CREATE DATABASE another",
        "CREATE TABLE another (id int)",
        "CREATE SCHEMA another",
        "ALTER ROLE app_a PASSWORD 'mine'",
        "ALTER ROLE master PASSWORD 'mine'",
        "DROP ROLE app_b",
        "GRANT app_owner TO gantry_rotator",
        "SELECT gantry.set_password('master', 'SCRAM-SHA-256$x')",
        "SELECT gantry.set_password('gantry_rotator', 'SCRAM-SHA-256$x')",
        "SELECT gantry.set_password('app_a', 'in plain text')",
        "SELECT gantry.retire('master')",
        "SELECT gantry.retire('app_owner')",
        "SELECT gantry.retire(NULL)",
        "SELECT gantry.end_sessions('master')",
        "SELECT gantry.end_sessions('app_a')",  # which is in use
        "CREATE FUNCTION gantry.set_password(text) RETURNS void LANGUAGE sql AS ''",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app_a'",
    ],
)
def test_rotator_may_do_nothing_but_administer_the_two_roles(server: PostgresServer, statement: str) -> None:
    with log_in(server, "app_a") as held:
        held.execute("CREATE TABLE IF NOT EXISTS secrets_of_the_application (id int)")
        with log_in(server, "gantry_rotator") as rotator, pytest.raises(psycopg.Error):
            rotator.execute(statement)


def test_application_may_not_administer_roles(server: PostgresServer) -> None:
    for statement in ("ALTER ROLE app_b PASSWORD 'x'", "CREATE ROLE another", "CREATE DATABASE another"):
        with log_in(server, "app_a") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
    with (
        pytest.raises(psycopg.OperationalError, match='permission denied for database "gantry"'),
        log_in(server, "app_a", database="gantry"),
    ):
        pass


@pytest.fixture
def harness(server: PostgresServer) -> Iterator[DatabaseHarness]:
    made = DatabaseHarness(server)
    yield made
    made.close()
    server.set_master("master", MASTER_PASSWORD, database="app")
    ensure(server)


@contextmanager
def after_a_minute(harness: DatabaseHarness, happen: Callable[[], None]) -> Iterator[None]:
    """Have something happen once, when the function has waited for a minute."""
    sleep, due = harness.clock.sleep, harness.clock.now() + timedelta(minutes=1)
    left = [happen]

    def wait(seconds: float) -> None:
        sleep(seconds)
        if left and harness.clock.now() >= due:
            left.pop()()

    with mock.patch.object(harness.clock, "sleep", wait):
        yield
    assert not left


def test_password_that_rds_is_still_setting_is_waited_for(harness: DatabaseHarness) -> None:
    """As after a restore, and while RDS rotates the master user's password."""
    harness.master.put(
        harness.master.new_id(), json.dumps({"username": "master", "password": "new"}), "AWSCURRENT"
    )
    with after_a_minute(harness, lambda: harness.server.set_master("master", "new", database="app")):
        harness.bootstrap("Update")


def test_secret_that_changes_between_reading_and_log_in_is_read_again(harness: DatabaseHarness) -> None:
    harness.server.set_master("master", "newer", database="app")
    document = json.dumps({"username": "master", "password": "newer"})
    with after_a_minute(harness, lambda: harness.master.put(harness.master.new_id(), document, "AWSCURRENT")):
        harness.bootstrap("Update")


def test_secret_without_a_value_is_waited_for(harness: DatabaseHarness) -> None:
    there: list[bool] = []
    model: Any = harness.models["secretsmanager"]
    read = model.get_secret_value

    def refuse_at_first(**asked: str) -> Answer:
        if not there:
            raise AwsError("ResourceNotFoundException", "no value of AWSCURRENT")
        value: Answer = read(**asked)
        return value

    with (
        mock.patch.object(model, "get_secret_value", refuse_at_first),
        after_a_minute(harness, lambda: there.append(True)),
    ):
        harness.bootstrap("Update")


def test_server_that_is_not_reached_is_waited_for_and_named(harness: DatabaseHarness) -> None:
    began = harness.clock.now()
    with pytest.raises(InterfaceError, match="Can't create a connection"):
        harness.bootstrap("Update", Port=str(any_free()))
    assert harness.clock.now() - began > timedelta(minutes=12)


def test_server_that_no_one_vouches_for_is_not_tried_again(harness: DatabaseHarness, tmp_path: Path) -> None:
    began = harness.clock.now()
    stranger = ensure_authority(tmp_path).certificate
    with (
        mock.patch.dict("os.environ", {"PGSSLROOTCERT": str(stranger)}),
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        harness.bootstrap("Update")
    assert harness.clock.now() - began < timedelta(seconds=5)


def test_strangers_do_not_come_in(server: PostgresServer) -> None:
    with log_in(server, "master") as master:
        master.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger-1'")
    with (
        pytest.raises(psycopg.OperationalError, match="permission denied"),
        log_in(server, "stranger", "stranger-1"),
    ):
        pass


def test_no_password_is_kept_in_plain_text_or_logged(server: PostgresServer) -> None:
    set_password(server, "app_b")
    ensure(server)
    said = Path(server.log).read_text()
    for password in PASSWORDS.values():
        assert password not in said


def test_user_that_is_not_the_applications_is_refused(server: PostgresServer) -> None:
    with (
        pytest.raises(RolesError, match="must be one of app_a, app_b, not master"),
        as_master(server) as connection,
    ):
        ensure_roles(connection, database="app", user="master", user_verifier="", rotator_verifier="")
