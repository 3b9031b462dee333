"""What the service's integration tests share: real servers and real processes of the service."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import psycopg

from sandbox.ports import any_free
from sandbox.postgres import PostgresServer
from sandbox.tls import Authority
from sandbox.valkey import ValkeyServer
from tests.plain_http import NO_TLS

T = TypeVar("T")

SERVICE = Path(__file__).resolve().parents[3] / "service"
# As the database bootstrap makes them.
ROLES = """
CREATE ROLE app_owner NOLOGIN;
GRANT app_owner TO CURRENT_USER WITH INHERIT TRUE, SET TRUE;
CREATE ROLE app_a LOGIN PASSWORD 'first-of-a' IN ROLE app_owner;
CREATE ROLE app_b LOGIN PASSWORD 'first-of-b' IN ROLE app_owner;
ALTER ROLE app_a SET role app_owner;
ALTER ROLE app_a SET statement_timeout = '3s';
ALTER ROLE app_b SET role app_owner;
ALTER ROLE app_b SET statement_timeout = '3s';
"""


def eventually(attempt: Callable[[], T | None], seconds: float = 20) -> T:
    """Return the first result that is not None."""
    deadline = time.monotonic() + seconds
    while (result := attempt()) is None:
        assert time.monotonic() < deadline, f"nothing after {seconds} s"
        time.sleep(0.05)
    return result


@dataclass(frozen=True)
class Backends:
    """The servers that a service needs."""

    authority: Authority
    postgres: PostgresServer
    valkey: ValkeyServer
    valkey_port: int

    @contextmanager
    def administrator(self, database: str = "app") -> Iterator[psycopg.Connection]:
        with psycopg.connect(
            host="127.0.0.1",
            port=self.postgres.port,
            user="master",
            password="master",
            dbname=database,
            sslmode="verify-full",
            sslrootcert=str(self.authority.certificate),
            autocommit=True,
        ) as connection:
            yield connection

    def new_database(self, name: str) -> None:
        """Make a database that belongs to the application's owner, as the bootstrap does."""
        with self.administrator("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER app_owner")

    def environment(self, database: str) -> dict[str, str]:
        """Return what a task definition would set."""
        return {
            "HOST": "127.0.0.1",
            "PORT": str(any_free()),
            "ENVIRONMENT": "test",
            "SERVICE_VERSION": "1.2.3",
            "LOG_LEVEL": "INFO",
            "STOP_TIMEOUT_SECONDS": "5",
            "COOKIE_SECURE": "false",
            "DATABASE_HOST": "127.0.0.1",
            "DATABASE_PORT": str(self.postgres.port),
            "DATABASE_NAME": database,
            "DATABASE_POOL_MIN": "0",
            "DATABASE_POOL_MAX": "5",
            "DATABASE_SECRET": json.dumps({"username": "app_a", "password": "first-of-a"}),
            "VALKEY_HOST": "127.0.0.1",
            "VALKEY_PORT": str(self.valkey_port),
            "VALKEY_SECRET": json.dumps({"username": "app", "password": "valkey"}),
            "SECRET_KEY_BASE": json.dumps({"current": "k" * 64}),
            "PGSSLROOTCERT": str(self.authority.certificate),
            "SSL_CERT_FILE": str(self.authority.certificate),
        }


@dataclass(frozen=True)
class RunningService:
    """A process of the service."""

    process: "subprocess.Popen[str]"
    url: str
    log: Path

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=20, verify=NO_TLS)

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def line_of(self, request_id: str) -> dict[str, object]:
        """Return the log line of a request, which may come a moment after its response."""
        return eventually(
            lambda: next((line for line in self.lines() if line.get("request_id") == request_id), None)
        )


class ServiceFactory:
    """Starts processes of the service."""

    def __init__(self, backends: Backends, folder: Path) -> None:
        self.backends = backends
        self._folder = folder
        self._count = 0

    def spawn(self, database: str, **changes: str | None) -> RunningService:
        """Start a process without waiting for it."""
        self._count += 1
        settings = {**self.backends.environment(database), **changes}
        environment = {name: value for name, value in settings.items() if value is not None}
        log = self._folder / f"service-{self._count}.log"
        with log.open("w") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "taskboard"],
                cwd=SERVICE,
                env={"PATH": os.environ["PATH"], **environment},
                stdout=sink,
                stderr=subprocess.STDOUT,
                text=True,
            )
        return RunningService(process, f"http://127.0.0.1:{environment.get('PORT')}", log)

    @contextmanager
    def run(self, database: str, **changes: str | None) -> Iterator[RunningService]:
        """Run a process that serves."""
        service = self.spawn(database, **changes)
        try:
            self.wait_until_serving(service)
            yield service
        finally:
            if service.process.poll() is None:
                service.process.kill()
            service.process.wait()

    def wait_until_serving(self, service: RunningService) -> None:
        def answer() -> httpx.Response | None:
            assert service.process.poll() is None, service.log.read_text()
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{service.url}/healthz", verify=NO_TLS)
            return None

        assert eventually(answer).status_code == 200
