"""The real servers behind the emulated database and cache."""

import dataclasses
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
import valkey

from sandbox.load_balancer.alone import tls_in_front_of
from sandbox.ports import Ports
from sandbox.postgres import PostgresServer
from sandbox.processes import ProcessIdentity, bound_command
from sandbox.tls import Authority, ensure_authority
from sandbox.valkey import ValkeyServer
from tests.integration.sandbox.emulator import wait_until


def kept_port(folder: Path) -> int:
    """Return a port for a server that is started again: no connection takes it meanwhile."""
    return Ports(folder / "ports.json").get("server")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure_authority(tmp_path_factory.mktemp("authority") / "tls")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[PostgresServer]:
    folder = tmp_path_factory.mktemp("postgres")
    server = PostgresServer(
        data_dir=folder / "data", port=kept_port(folder), authority=authority, log=folder / "log"
    )
    server.start()
    server.set_master("master", "first", database="app")
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    folder = tmp_path_factory.mktemp("valkey")
    server = ValkeyServer(data_dir=folder / "data", port=kept_port(folder), log=folder / "log")
    server.start()
    yield server
    server.destroy()


def connect(server: PostgresServer, **options: str) -> psycopg.Connection:
    settings = {
        "host": "127.0.0.1",
        "user": "master",
        "password": "first",
        "dbname": "app",
        "sslmode": "verify-full",
        "sslrootcert": str(server.authority.certificate),
    }
    return psycopg.connect(port=server.port, **(settings | options))  # type: ignore[arg-type]


@contextmanager
def log_in(server: ValkeyServer, name: str, password: str) -> Iterator[valkey.Valkey]:
    with valkey.Valkey(host="127.0.0.1", port=server.port, username=name, password=password) as client:
        client.ping()
        yield client


def test_authority_is_kept_until_its_files_are_damaged(tmp_path: Path) -> None:
    first = ensure_authority(tmp_path)
    certificate = first.certificate.read_bytes()
    assert ensure_authority(tmp_path).certificate.read_bytes() == certificate
    first.server_key.write_text("damaged")
    assert ensure_authority(tmp_path).certificate.read_bytes() != certificate


def test_postgres_speaks_verified_tls_only(postgres: PostgresServer, tmp_path: Path) -> None:
    with connect(postgres) as connection:
        row = connection.execute(
            "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        ).fetchone()
    assert row == (True, "TLSv1.3")
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        connect(postgres, sslmode="disable")
    stranger = ensure_authority(tmp_path)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        connect(postgres, sslrootcert=str(stranger.certificate))


def test_master_user_is_no_superuser_but_makes_roles_and_databases(postgres: PostgresServer) -> None:
    with connect(postgres) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (False, True, True)


def test_postgres_keeps_data_and_passwords_over_a_restart(postgres: PostgresServer) -> None:
    with connect(postgres) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    postgres.stop()
    assert not postgres.is_ready()
    postgres.start()
    with connect(postgres) as connection:
        connection.execute("SELECT id FROM kept")


@pytest.mark.parametrize("number_is_of", ["a stranger", "a zombie"])
def test_postgres_starts_over_a_lock_file_whose_number_is_of_another_process(
    postgres: PostgresServer, number_is_of: str
) -> None:
    """After a reboot, or in a container whose first process waits for no one."""
    lock = postgres.data_dir / "postmaster.pid"
    content = lock.read_text()
    # PostgreSQL takes only its own user's processes for servers.
    command = bound_command(["sleep", "60"], user="nobody" if os.geteuid() == 0 else "")
    stranger = subprocess.Popen(command)
    try:
        # Between two programs a process has no command line.
        wait_until(lambda: "sleep" in "".join(psutil.Process(stranger.pid).cmdline()[:1]))
        if number_is_of == "a zombie":
            stranger.kill()
        postgres.stop()
        lock.write_text(content.replace(content.split("\n", 1)[0], str(stranger.pid), 1))
        postgres.start()
        connect(postgres).close()
    finally:
        stranger.kill()
        stranger.wait()


def test_postgres_is_stopped_in_an_orderly_way_whatever_is_on_the_path(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    said = postgres.log.stat().st_size
    # As another process does, such as the next one's after a crash.
    dataclasses.replace(postgres).stop()
    assert not postgres.is_ready()
    assert "database system is shut down" in postgres.log.read_text()[said:]
    postgres.start()


def test_new_master_password_replaces_the_old_one(postgres: PostgresServer) -> None:
    postgres.set_master("master", "second")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(postgres)
    postgres.set_master("master", "first")
    connect(postgres).close()


def test_cache_lets_in_only_the_users_that_were_made(cache: ValkeyServer) -> None:
    with pytest.raises(valkey.AuthenticationError), log_in(cache, "default", ""):
        pass
    cache.set_user("app", passwords=["one", "two"], access="on ~* +@all -@dangerous")
    for password in ("one", "two"):
        with log_in(cache, "app", password) as client, pytest.raises(valkey.exceptions.NoPermissionError):
            client.flushall()
    cache.set_user("app", passwords=["two"], access="on ~* +@all -@dangerous")
    with pytest.raises(valkey.AuthenticationError), log_in(cache, "app", "one"):
        pass


def test_cache_keeps_users_and_data_over_a_restart(cache: ValkeyServer) -> None:
    cache.set_user("app", passwords=["one"], access="on ~* +@all")
    with log_in(cache, "app", "one") as client:
        client.set("session", "kept")
    cache.stop()
    assert not cache.is_ready()
    cache.start()
    with log_in(cache, "app", "one") as client:
        assert client.get("session") == b"kept"


def test_cache_loses_nothing_that_it_answered_when_it_is_killed(cache: ValkeyServer) -> None:
    cache.set_user("app", passwords=["one"], access="on ~* +@all")
    with log_in(cache, "app", "one") as client:
        client.set("session", "of this moment")
        identity = ProcessIdentity.load(cache.data_dir / "process.json")
        assert identity is not None
        identity.signal(signal.SIGKILL)
    # It may still be dying: its main thread has ended, the others have not.
    wait_until(lambda: not identity.is_running())
    cache.start()
    with log_in(cache, "app", "one") as client:
        assert client.get("session") == b"of this moment"


def test_cache_takes_over_a_snapshot_of_before_it_kept_a_log(cache: ValkeyServer) -> None:
    cache.set_user("app", passwords=["one"], access="on ~* +@all")
    with log_in(cache, "app", "one") as client:
        client.set("session", "of old")
        client.config_set("appendonly", "no")
        client.save()
    cache.stop()
    shutil.rmtree(cache.data_dir / "appendonlydir")
    cache.start()
    with log_in(cache, "app", "one") as client:
        assert client.get("session") == b"of old"


def test_tls_proxy_gives_the_cache_verified_tls(cache: ValkeyServer, authority: Authority) -> None:
    cache.set_user("app", passwords=["one"], access="on ~* +@all")
    with (
        tls_in_front_of(cache.port, authority.certificate.parents[1]) as port,
        valkey.Valkey(
            host="localhost",
            port=port,
            username="app",
            password="one",
            ssl=True,
            ssl_ca_certs=str(authority.certificate),
            ssl_check_hostname=True,
        ) as client,
    ):
        big = b"x" * 3_000_000
        client.set("big", big)
        assert client.get("big") == big
