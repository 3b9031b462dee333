"""The application's log-in is stolen: it becomes no one else, and cannot keep itself from being retired.

Who holds it may make what they like in the application's database. The tests plant what might be run by,
or be in the way of, the master user, the rotator and the restore test, and let these do all that they do.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import psycopg
import pytest

from gantry_runtime import postgres
from gantry_runtime.failures import SafeError
from restore_test import contents
from sandbox.postgres import PostgresServer
from tests.aws.harness import DatabaseHarness
from tests.aws.servers import MASTER_PASSWORD

# Says in the server's log who runs it, which a session that may only read can do, too.
_SPY = """
CREATE FUNCTION public.spy() RETURNS void LANGUAGE plpgsql AS
    'BEGIN RAISE LOG $$spied on % as %.$$, session_user, current_user; END';
CREATE FUNCTION public.spied(anyelement) RETURNS anyelement IMMUTABLE LANGUAGE plpgsql AS
    'BEGIN PERFORM public.spy(); RETURN $1; END';
"""
# Names that sessions of the platform use, with every argument that would be chosen before the catalogue's.
_FUNCTIONS = {
    "pg_advisory_lock": "integer",
    "hashtext": "text",
    "set_config": "text, text, boolean",
    "current_setting": "text",
    "pg_get_userbyid": "oid",
    "pg_database_size": "name",
    "format": "text, name, name",
    "length": "text",
}
_BODY = "LANGUAGE plpgsql AS 'BEGIN PERFORM public.spy(); RETURN true; END'"
PLANTED = {
    "function": "".join(
        f"CREATE FUNCTION public.{name}({given}) RETURNS text {_BODY};" for name, given in _FUNCTIONS.items()
    ),
    "operator": f"""
        CREATE FUNCTION public.same(name, text) RETURNS boolean {_BODY};
        CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = text, FUNCTION = public.same);
    """,
    "cast": f"""
        CREATE TABLE public.cast_away AS SELECT 1 AS id;
        CREATE FUNCTION public.as_text(public.cast_away) RETURNS text {_BODY};
        CREATE CAST (public.cast_away AS text) WITH FUNCTION public.as_text(public.cast_away);
    """,
    "view": """
        CREATE VIEW public.pg_roles AS SELECT public.spied(rolname) FROM pg_catalog.pg_roles;
        CREATE VIEW public.pg_database AS SELECT public.spied(datname) FROM pg_catalog.pg_database;
        CREATE VIEW public.pg_class AS SELECT public.spied(relname) FROM pg_catalog.pg_class;
    """,
    "rule": """
        CREATE TABLE public.ruled (id int);
        CREATE RULE also AS ON INSERT TO public.ruled DO ALSO SELECT public.spy();
    """,
    "trigger": """
        CREATE TABLE public.triggered (id int);
        CREATE FUNCTION public.on_row() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM public.spy(); RETURN NEW; END';
        CREATE TRIGGER t BEFORE INSERT ON public.triggered FOR EACH ROW EXECUTE FUNCTION public.on_row();
    """,
    "default": "CREATE TABLE public.defaulted (id int DEFAULT public.spied(1));",
    "index expression": """
        CREATE TABLE public.indexed (id int);
        CREATE INDEX ON public.indexed (public.spied(id));
    """,
    "policy": """
        CREATE TABLE public.guarded AS SELECT 1 AS id;
        CREATE FUNCTION public.let() RETURNS boolean LANGUAGE plpgsql AS
            'BEGIN EXECUTE $$RESET ROLE$$; PERFORM public.spy(); RETURN true; END';
        CREATE POLICY p ON public.guarded USING (public.let());
        ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY;
        ALTER TABLE public.guarded FORCE ROW LEVEL SECURITY;
    """,
    "type": "CREATE DOMAIN public.name AS text CHECK (public.spied(VALUE) IS NOT NULL);",
    "materialized view": "CREATE MATERIALIZED VIEW public.kept AS SELECT 1 AS id;",
    "setting of the role": """
        SET ROLE NONE;
        ALTER ROLE app_a SET search_path = public, pg_catalog;
        ALTER ROLE app_a IN DATABASE app SET search_path = public, pg_catalog;
        SET ROLE app_owner;
    """,
    "schema where the functions were": f"""
        CREATE SCHEMA gantry;
        CREATE FUNCTION gantry.set_password(text, text) RETURNS boolean {_BODY};
    """,
}


@pytest.fixture
def harness(database: PostgresServer) -> Iterator[DatabaseHarness]:
    made = DatabaseHarness(database)
    _clear(made)
    yield made
    _clear(made)
    made.close()


def _clear(harness: DatabaseHarness) -> None:
    """Have the database as it was made: what a test left of the application's goes."""
    with harness.as_superuser("app") as superuser:
        superuser.execute("DROP OWNED BY app_owner, app_a CASCADE")
        superuser.execute("ALTER ROLE app_a RESET ALL; ALTER ROLE app_a IN DATABASE app RESET ALL")
    harness.bootstrap("Update")


def stolen(harness: DatabaseHarness, database: str = "app") -> psycopg.Connection:
    """Return a session of the log-in that the service uses now."""
    current = credential(harness)
    return harness.log_in(current["username"], current["password"], database=database)


def credential(harness: DatabaseHarness) -> dict[str, Any]:
    document = harness.secret.document("AWSCURRENT")
    assert document is not None
    return document


def rotate_there_and_back(harness: DatabaseHarness) -> None:
    for _ in range(2):
        harness.rotate()
        harness.reconcile_fully()


def do_everything_privileged(harness: DatabaseHarness) -> None:
    """Do all that the master user, the rotator and the restore test do."""
    rotate_there_and_back(harness)
    harness.bootstrap("Update")
    at: dict[str, Any] = {"host": "localhost", "port": harness.server.port}
    with postgres.privileged(**at, database="postgres", user="master", password=MASTER_PASSWORD) as master:
        contents.set_up_reader(master, 48 * "x")
    with postgres.connection(
        **at, database="app", user=contents.READER, password=48 * "x", settings=contents.SETTINGS
    ) as reader:
        contents.read(reader)


@contextmanager
def spying(harness: DatabaseHarness) -> Iterator[set[str]]:
    """Collect who ran, in the body, what was planted."""
    ran: set[str] = set()
    begin = harness.server.log.stat().st_size
    yield ran
    for line in harness.server.log.read_text()[begin:].splitlines():
        if found := re.search(r"spied on (\w+) as (\w+)\.$", line):
            ran.update(found.groups())


def test_nothing_privileged_runs_what_the_application_made(harness: DatabaseHarness) -> None:
    with spying(harness) as ran:
        with stolen(harness) as thief:
            thief.execute(_SPY)
            thief.execute("SELECT public.spy(); CREATE TABLE public.innocent AS SELECT 1 AS id")
            for statements in PLANTED.values():
                thief.execute(statements)
        do_everything_privileged(harness)
    assert "app_a" in ran  # it is able to see that
    assert ran <= {"app_a", "app_b", "app_owner", contents.READER}


def test_what_is_the_platforms_is_not_the_applications_to_change(harness: DatabaseHarness) -> None:
    for statement in (
        "ALTER DATABASE app SET search_path = public, pg_catalog",
        "ALTER DATABASE app SET role = 'app_owner'",
        "ALTER DATABASE app OWNER TO app_a",
        "ALTER DATABASE app CONNECTION LIMIT 0",
        "ALTER DATABASE app RENAME TO another",
        "DROP DATABASE gantry",
        "ALTER SCHEMA public OWNER TO app_owner",
        "CREATE EXTENSION file_fdw",
        "CREATE EVENT TRIGGER t ON login EXECUTE FUNCTION public.spy()",
        "ALTER ROLE gantry_rotator SET search_path = public",
        "ALTER ROLE app_b SET role = 'none'",
        "SET SESSION AUTHORIZATION gantry_rotator",
        "SET ROLE master",
        "SET ROLE gantry_rotator",
    ):
        with stolen(harness) as thief, pytest.raises(psycopg.Error, match=r"permission denied|must be owner"):
            thief.execute(statement)


def test_no_one_is_shut_out(harness: DatabaseHarness) -> None:
    with stolen(harness) as thief:
        for database, role in (("app", "master"), ("gantry", "gantry_rotator"), ("app", "app_b")):
            with suppress(psycopg.Error):
                thief.execute(f"REVOKE ALL ON DATABASE {database} FROM {role}")
        thief.execute("CREATE TABLE kept (id int)")
    do_everything_privileged(harness)


@pytest.mark.parametrize("key", ["1", "hashtext('gantry.rotation')"])
def test_no_lock_of_a_stolen_session_is_in_the_way(harness: DatabaseHarness, key: str) -> None:
    with ExitStack() as stack:
        current = credential(harness)
        for database in ("app", "postgres"):
            thief = stack.enter_context(closing(stolen(harness, database)))
            thief.execute(f"SELECT pg_advisory_lock({key})")
        harness.rotate()
        harness.reconcile_fully()
        assert not harness.authenticates(current)
        with pytest.raises(psycopg.OperationalError):
            thief.execute("SELECT 1")


def fill(harness: DatabaseHarness, held: ExitStack) -> list[psycopg.Connection]:
    """Open as many connections as the current log-in gets."""
    opened: list[psycopg.Connection] = []
    while True:
        try:
            opened.append(held.enter_context(closing(stolen(harness))))
        except psycopg.OperationalError as error:
            if "too many connections for role" not in str(error):
                raise
            return opened


def test_stolen_sessions_leave_room_for_the_rotation_which_ends_them(harness: DatabaseHarness) -> None:
    current = credential(harness)
    with ExitStack() as held:
        old = fill(harness, held)
        harness.rotate()
        fill(harness, held)
        harness.reconcile_fully()
        assert not harness.authenticates(current)
        for connection in old:
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")


@pytest.mark.parametrize("where", ["", "IN DATABASE app"])
def test_what_a_role_was_set_to_is_gone_when_it_is_current_again(
    harness: DatabaseHarness, where: str
) -> None:
    with stolen(harness) as thief:
        thief.execute("SET ROLE NONE")
        for setting in (
            "statement_timeout = '9s'",
            "search_path = nowhere",
            "role = 'none'",
            "default_transaction_read_only = on",
        ):
            thief.execute(f"ALTER ROLE app_a {where} SET {setting}")
    rotate_there_and_back(harness)
    assert credential(harness)["username"] == "app_a"
    with stolen(harness) as service:
        shown = service.execute(
            "SELECT current_user::text, current_setting('statement_timeout'), current_setting('search_path')"
        )
        assert shown.fetchone() == ("app_owner", "3s", '"$user", public')
        service.execute("CREATE TABLE written (id int)")


def test_role_that_no_longer_acts_as_the_owner_does_so_again(harness: DatabaseHarness) -> None:
    with stolen(harness) as thief:
        thief.execute("SET ROLE NONE; ALTER ROLE app_a RESET role")
    rotate_there_and_back(harness)
    with stolen(harness) as service:
        assert service.execute("SELECT current_user::text").fetchone() == ("app_owner",)


def test_version_that_cannot_write_does_not_pass(harness: DatabaseHarness) -> None:
    rotate_there_and_back(harness)
    token = harness.secret.begin_rotation()
    harness.run("createSecret", token)
    harness.run("setSecret", token)
    with harness.as_superuser("app") as superuser:
        superuser.execute("ALTER ROLE app_b SET default_transaction_read_only = on")
    with pytest.raises(SafeError, match="cannot write"):
        harness.run("testSecret", token)
    harness.run("setSecret", token)
    harness.run("testSecret", token)


def test_database_that_the_application_owned_is_taken_from_it(harness: DatabaseHarness) -> None:
    """As it was made before: with what an owner may set, and the functions next to the tables."""
    with harness.as_superuser("app") as superuser:
        superuser.execute("ALTER DATABASE app OWNER TO app_owner")
        superuser.execute("CREATE SCHEMA gantry AUTHORIZATION master")
    with spying(harness) as ran:
        with stolen(harness) as thief:
            thief.execute(_SPY)
            thief.execute(PLANTED["function"])
            thief.execute("CREATE TABLE kept AS SELECT 1 AS id")
            thief.execute("ALTER DATABASE app SET search_path = public, pg_catalog")
        harness.bootstrap("Update")
        do_everything_privileged(harness)
    assert ran <= {"app_a", "app_b", "app_owner"}
    with harness.as_superuser("app") as superuser:
        owner = superuser.execute("SELECT datdba::regrole::text FROM pg_database WHERE datname = 'app'")
        assert owner.fetchone() == ("master",)
        assert superuser.execute("SELECT to_regnamespace('gantry')").fetchone() == (None,)
    with stolen(harness) as service:
        assert service.execute("SELECT id FROM kept").fetchone() == (1,)
        service.execute("CREATE SCHEMA of_the_team")
