"""How a process of the service starts, takes over, and ends."""

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from sandbox.ports import any_free
from sandbox.tls import ensure_authority
from taskboard.migrate import load
from tests.integration.service.support import Backends, RunningService, ServiceFactory, eventually
from tests.integration.service.test_api import PASSWORD, create_project, sign_up
from tests.plain_http import NO_TLS


def database_secret(user: str, password: str) -> str:
    return json.dumps({"username": user, "password": password})


def key_ring(current: str, previous: str | None = None) -> str:
    return json.dumps({"current": current} | ({"previous": previous} if previous else {}))


def session_user(client: httpx.Client) -> str:
    report = client.get("/healthz", params={"detailed": "true"}).json()
    return str(report["database"]["session_user"])


def test_unusable_environment_is_reported_at_once_and_without_secrets(
    services: ServiceFactory, database: str
) -> None:
    service = services.spawn(
        database,
        VALKEY_HOST=None,
        LOG_LEVEL="LOUD",
        PORT="eighty",
        DATABASE_SECRET='{"username": "app_a", "password": "hunter2hunter2"',
        SECRET_KEY_BASE='{"current": "much-too-short"}',
        DATABASE_POOL_MAX="0",
    )
    assert service.process.wait(timeout=20) == os.EX_CONFIG
    problems = service.lines()[-1]["problems"]
    assert isinstance(problems, list)
    named = sorted(problem.split("=")[0].split(":")[0].split(",")[0].split(" ")[0] for problem in problems)
    assert named == [
        "DATABASE_POOL_MAX", "DATABASE_SECRET", "LOG_LEVEL", "PORT", "SECRET_KEY_BASE", "VALKEY_HOST"
    ]  # fmt: skip
    assert "eighty" in service.log.read_text()
    assert "hunter2hunter2" not in service.log.read_text()
    assert "much-too-short" not in service.log.read_text()


def test_instances_that_start_at_once_migrate_an_empty_database_once(
    services: ServiceFactory, backends: Backends
) -> None:
    backends.new_database("contended")
    started = [services.spawn("contended") for _ in range(3)]
    try:
        for service in started:
            services.wait_until_serving(service)
    finally:
        for service in started:
            service.process.kill()
            service.process.wait()
    applied = [line for service in started for line in service.lines() if "applied" in str(line["message"])]
    migrations = len(load())
    assert len(applied) == migrations
    with backends.administrator("contended") as connection:
        assert connection.execute("SELECT count(*) FROM schema_migrations").fetchone() == (migrations,)


def test_service_waits_for_a_database_that_is_late(services: ServiceFactory, backends: Backends) -> None:
    backends.new_database("late")
    backends.postgres.stop()
    try:
        service = services.spawn("late")
        eventually(lambda: service.log.read_text() or None)
        assert "no connection to the database yet" in service.log.read_text()
    finally:
        backends.postgres.start()
    services.wait_until_serving(service)
    assert service.terminate() == 0


def test_service_that_waits_for_its_database_stops_when_asked(
    services: ServiceFactory, database: str
) -> None:
    service = services.spawn(database, DATABASE_PORT=str(any_free()))
    eventually(lambda: service.log.read_text() or None)
    assert service.terminate() == 0


def test_taken_port_ends_the_process(
    services: ServiceFactory, service: RunningService, database: str
) -> None:
    second = services.spawn(database, PORT=str(urlsplit(service.url).port))
    assert second.process.wait(timeout=20) == os.EX_UNAVAILABLE
    assert "cannot start" in str(second.lines()[-1]["message"])


def test_servers_with_certificates_of_strangers_are_not_trusted(
    services: ServiceFactory, database: str, tmp_path: Path
) -> None:
    stranger = str(ensure_authority(tmp_path).certificate)
    with services.run(database, SSL_CERT_FILE=stranger) as service, service.client() as client:
        assert client.get("/healthz", params={"detailed": "true"}).json()["failed"] == ["cache"]
    refused = services.spawn(database, PGSSLROOTCERT=stranger)
    eventually(lambda: refused.log.read_text() or None)
    assert refused.terminate() == 0
    assert "certificate verify failed" in refused.log.read_text()


def test_certificate_for_another_name_is_not_trusted(services: ServiceFactory, database: str) -> None:
    # The same machine by a name that is not in its certificate.
    with services.run(database, VALKEY_HOST="127.1") as service, service.client() as client:
        assert client.get("/healthz", params={"detailed": "true"}).json()["failed"] == ["cache"]


class Load:
    """Clients that ask again and again, each over a connection of its own.

    A client that got `notices` times the answer that its connection is closed makes no further one, as a load
    balancer does that goes on for a moment; without a number it goes on until there is no one to connect to.
    """

    def __init__(self, url: str, cookie: str, clients: int, *, notices: int | None = None) -> None:
        self.outcomes: Counter[str] = Counter()
        self.closing = 0
        self._address = urlsplit(url).netloc
        self._cookie = cookie
        self._notices = notices
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join(timeout=30)

    def _ask(self) -> None:
        noticed = 0
        while self._notices is None or noticed < self._notices:
            connection = http.client.HTTPConnection(self._address, timeout=10)
            try:
                connection.connect()
            except (ConnectionRefusedError, ConnectionResetError):
                return
            try:
                for _ in range(20):  # over a kept connection, until the service says that it closes it
                    connection.request("GET", "/api/v1/projects", headers={"cookie": self._cookie})
                    response = connection.getresponse()
                    response.read()
                    self.outcomes[str(response.status)] += 1
                    if response.will_close:
                        self.closing += 1
                        noticed += 1
                        break
            except OSError as error:
                self.outcomes[type(error).__name__] += 1
            finally:
                connection.close()


@contextmanager
def load_on(service: RunningService, *, notices: int | None = None) -> Iterator[Load]:
    """Run a load that has begun, and end with it."""
    with service.client() as client:
        sign_up(client)
        cookie = f"session={client.cookies['session']}"
    with Load(service.url, cookie, clients=8, notices=notices) as load:
        eventually(lambda: True if load.outcomes["200"] > 100 else None)
        yield load


def test_no_request_fails_while_the_service_stops_under_load(services: ServiceFactory, database: str) -> None:
    with services.run(database, RATE_LIMIT_PER_MINUTE="1000000") as service:
        with load_on(service, notices=10) as load:
            service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=10) == 0
    assert set(load.outcomes) == {"200"}, load.outcomes
    assert load.closing == 80


def test_load_that_never_ends_does_not_keep_the_service_from_stopping(
    services: ServiceFactory, database: str
) -> None:
    with services.run(database, RATE_LIMIT_PER_MINUTE="1000000") as service:
        with load_on(service) as load:
            service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=10) == 0
    assert load.closing > 8
    # The kernel resets a client that connects in the very moment in which the port is closed.
    assert set(load.outcomes) <= {"200", "ConnectionResetError"}, load.outcomes
    assert load.outcomes["ConnectionResetError"] <= 8


def is_refused(host: str | None, port: int | None) -> bool:
    try:
        socket.create_connection((host, port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_request_in_flight_and_one_just_connected_are_answered_after_the_signal(
    services: ServiceFactory, database: str
) -> None:
    body = json.dumps({"email": "slow@example.com", "password": PASSWORD})
    with services.run(database, STOP_TIMEOUT_SECONDS="20") as service:
        host, port = urlsplit(service.url).hostname, urlsplit(service.url).port
        with socket.create_connection((host, port)) as slow, socket.create_connection((host, port)) as silent:
            head = (
                "POST /api/v1/sign-up HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\n\r\n"
            )
            slow.sendall((head + body[:10]).encode())
            time.sleep(0.2)  # so that the service has begun
            service.process.send_signal(signal.SIGTERM)
            eventually(lambda: True if is_refused(host, port) else None)
            silent.sendall(b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n")
            assert b" 200 OK\r\n" in silent.recv(65536)
            slow.sendall(body[10:].encode())
            answer = slow.recv(65536)
        assert answer.startswith(b"HTTP/1.1 201 ")
        assert b"\r\nconnection: close\r\n" in answer
        assert service.process.wait(timeout=20) == 0


def test_request_that_never_ends_does_not_keep_the_service_from_stopping(
    services: ServiceFactory, database: str
) -> None:
    with services.run(database) as service:
        host, port = urlsplit(service.url).hostname, urlsplit(service.url).port
        with socket.create_connection((host, port)) as stuck:
            stuck.sendall(
                b"POST /api/v1/sign-in HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n"
                b"content-length: 100\r\n\r\n{"
            )
            time.sleep(0.2)
            assert service.terminate() == 0


def workers_of(service: RunningService) -> list[int]:
    return [child.pid for child in psutil.Process(service.process.pid).children()]


def test_worker_that_dies_is_replaced_and_none_outlives_the_supervisor(
    services: ServiceFactory, database: str
) -> None:
    with services.run(database, WEB_CONCURRENCY="2") as service:
        before = eventually(lambda: workers if len(workers := workers_of(service)) == 2 else None)
        time.sleep(1)  # until both have shown that they serve
        os.kill(before[0], signal.SIGKILL)
        after = eventually(
            lambda: workers if len(workers := workers_of(service)) == 2 and before[0] not in workers else None
        )
        assert before[1] in after
        for _ in range(20):  # over connections that the kernel spreads
            assert httpx.get(f"{service.url}/healthz", verify=NO_TLS).status_code == 200
        assert any(line["level"] == "ERROR" for line in service.lines())
        service.process.kill()
        eventually(lambda: True if not any(map(psutil.pid_exists, after)) else None)


def test_workers_count_and_report_together(services: ServiceFactory, database: str) -> None:
    with services.run(database, WEB_CONCURRENCY="2", RATE_LIMIT_PER_MINUTE="40") as service:
        with service.client() as client:
            sign_up(client)
            cookie = f"session={client.cookies['session']}"
        eventually(lambda: True if len(workers_of(service)) == 2 else None)
        answers = [
            httpx.get(f"{service.url}/api/v1/projects", headers={"cookie": cookie}, verify=NO_TLS)
            for _ in range(50)
        ]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert sum(answer.status_code == 200 for answer in answers) <= 40 * 2  # two minutes, at the most


def test_port_is_closed_for_a_task_that_cannot_have_it(services: ServiceFactory, database: str) -> None:
    # Workers share it among themselves, and with no other task.
    with services.run(database, WEB_CONCURRENCY="2") as service:
        second = services.spawn(database, PORT=str(urlsplit(service.url).port), WEB_CONCURRENCY="2")
        assert second.process.wait(timeout=20) == os.EX_UNAVAILABLE


def test_sessions_survive_a_rotation_of_the_signing_key_in_both_directions(
    services: ServiceFactory, database: str
) -> None:
    old, new = "o" * 64, "n" * 64
    with (
        services.run(database, SECRET_KEY_BASE=key_ring(old)) as before,
        services.run(database, SECRET_KEY_BASE=key_ring(new, old)) as after,
        services.run(database, SECRET_KEY_BASE=key_ring(new)) as retired,
        httpx.Client(verify=NO_TLS) as signed_in_before,
        httpx.Client(verify=NO_TLS) as signed_in_after,
    ):
        credentials = {"email": "rotation@example.com", "password": PASSWORD}
        assert signed_in_before.post(f"{before.url}/api/v1/sign-up", json=credentials).status_code == 201
        assert signed_in_after.post(f"{after.url}/api/v1/sign-in", json=credentials).status_code == 200
        # While the new key is rolled out, any process may get the next request.
        for service in (before, after, before, after):
            for client in (signed_in_before, signed_in_after):
                assert client.get(f"{service.url}/api/v1/account").status_code == 200
        # By now every cookie that was used has a signature of the new key.
        for client in (signed_in_before, signed_in_after):
            assert client.get(f"{retired.url}/api/v1/account").status_code == 200


def test_retired_signing_key_is_worth_nothing(services: ServiceFactory, database: str) -> None:
    with (
        services.run(database, SECRET_KEY_BASE=key_ring("o" * 64)) as before,
        services.run(database, SECRET_KEY_BASE=key_ring("n" * 64)) as retired,
        before.client() as client,
    ):
        sign_up(client)
        assert client.get(f"{retired.url}/api/v1/account").status_code == 401


def test_rotation_of_the_database_role_leaves_old_processes_alone(
    services: ServiceFactory, backends: Backends, database: str
) -> None:
    with services.run(database) as old, old.client() as client:
        sign_up(client)
        with backends.administrator() as connection:
            connection.execute("ALTER ROLE app_b PASSWORD 'second-of-b'")
        with services.run(database, DATABASE_SECRET=database_secret("app_b", "second-of-b")) as new:
            with new.client() as other:
                other.cookies = client.cookies
                project = create_project(other)
                assert session_user(other) == "app_b"
            # Rows that one role made are the other's as well, since both act as their owner.
            assert client.patch(f"/api/v1/projects/{project}", json={"name": "Renamed"}).status_code == 200
            assert session_user(client) == "app_a"


def test_changed_password_ends_new_connections_and_not_the_existing_ones(
    services: ServiceFactory, backends: Backends, database: str
) -> None:
    secret = database_secret("app_b", "third-of-b")
    with backends.administrator() as connection:
        connection.execute("ALTER ROLE app_b PASSWORD 'third-of-b'")
    with (
        services.run(database, DATABASE_SECRET=secret, DATABASE_POOL_MIN="1") as service,
        service.client() as client,
        backends.administrator() as connection,
    ):
        sign_up(client)
        connection.execute("ALTER ROLE app_b PASSWORD 'fourth-of-b'")
        assert client.get("/api/v1/projects").status_code == 200
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app_b'")
        assert client.get("/api/v1/projects").json()["error"]["part"] == "database"
        connection.execute("ALTER ROLE app_b PASSWORD 'third-of-b'")
        eventually(lambda: True if client.get("/api/v1/projects").status_code == 200 else None)


def test_more_requests_than_connections_are_all_answered(services: ServiceFactory, database: str) -> None:
    with services.run(database, DATABASE_POOL_MAX="2") as service, service.client() as client:
        sign_up(client)
        with ThreadPoolExecutor(max_workers=20) as threads:
            statuses = list(threads.map(lambda _: client.get("/api/v1/projects").status_code, range(200)))
    assert set(statuses) == {200}
