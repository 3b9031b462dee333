"""What clients see while the database or the cache is down, and after it is back."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest

from tests.integration.service.support import Backends, ServiceFactory, eventually
from tests.integration.service.test_api import PASSWORD, create_project, sign_up

# Far above what the service needs, and far below what a load balancer waits.
BOUND = 10.0


@pytest.fixture
def signed_in(client: httpx.Client) -> httpx.Client:
    sign_up(client)
    create_project(client)
    return client


def healthy(client: httpx.Client) -> dict[str, object] | None:
    response = client.get("/healthz", params={"detailed": "true"})
    return response.json() if response.status_code == 200 else None


def unhealthy(client: httpx.Client) -> httpx.Response | None:
    response = client.get("/healthz", params={"detailed": "true"}, timeout=BOUND)
    return response if response.status_code == 503 else None


def assert_unavailable(client: httpx.Client, part: str) -> None:
    response = client.get("/api/v1/projects", timeout=BOUND)
    assert response.status_code == 503, response.text
    assert response.json()["error"]["part"] == part
    assert response.headers["retry-after"]
    report = eventually(lambda: unhealthy(client))  # one from before may be kept for a moment
    assert (report.json()["failed"], report.json()["error"]["part"]) == ([part], part)
    assert report.json()[part]["status"] == "unavailable"
    assert client.get("/healthz", timeout=BOUND).status_code == 200  # the process itself is alive


@contextmanager
def frozen(name: str) -> Iterator[None]:
    """Suspend the database server's processes: connections stay open and nothing answers."""
    postmaster = psutil.Process(int(name))
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            if process.is_running():
                os.kill(process.pid, signal.SIGCONT)


def test_stopped_database_is_named_and_does_no_lasting_harm(
    signed_in: httpx.Client, backends: Backends
) -> None:
    backends.postgres.stop()
    try:
        for _ in range(3):
            assert_unavailable(signed_in, "database")
    finally:
        backends.postgres.start()
    eventually(lambda: healthy(signed_in))
    assert len(signed_in.get("/api/v1/projects").json()["items"]) == 1


def test_restarted_database_fails_no_request_that_comes_after(
    signed_in: httpx.Client, backends: Backends
) -> None:
    assert signed_in.get("/api/v1/projects").status_code == 200
    backends.postgres.stop()
    backends.postgres.start()
    assert signed_in.get("/api/v1/projects").status_code == 200


def test_database_without_room_for_writes_is_named_although_it_answers(
    services: ServiceFactory, backends: Backends, database: str
) -> None:
    full = "BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END"
    with services.run(database) as service, service.client() as client:
        sign_up(client)
        with backends.administrator(database) as connection:
            connection.execute(
                f"CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS $${full}$$;"
                "CREATE TRIGGER f BEFORE INSERT ON projects FOR EACH ROW EXECUTE FUNCTION public.full()"
            )
        try:
            assert healthy(client)
            assert client.post("/api/v1/projects", json={"name": "Engine"}).status_code == 503
            assert eventually(lambda: unhealthy(client)).json()["failed"] == ["database"]
            assert client.get("/api/v1/projects").status_code == 200
        finally:
            with backends.administrator(database) as connection:
                connection.execute("DROP FUNCTION public.full() CASCADE")


def test_hanging_database_is_given_up(signed_in: httpx.Client, backends: Backends) -> None:
    postmaster = (backends.postgres.data_dir / "postmaster.pid").read_text().split()[0]
    with frozen(postmaster):
        assert_unavailable(signed_in, "database")
    eventually(lambda: healthy(signed_in))
    assert len(signed_in.get("/api/v1/projects").json()["items"]) == 1


def test_stopped_cache_is_named_and_sessions_outlive_it(signed_in: httpx.Client, backends: Backends) -> None:
    backends.valkey.stop()
    try:
        assert_unavailable(signed_in, "cache")
        refused = signed_in.post("/api/v1/sign-in", json={"email": "a@example.com", "password": PASSWORD})
        assert refused.status_code == 503  # not let through uncounted
    finally:
        backends.valkey.start()
    eventually(lambda: healthy(signed_in))
    assert len(signed_in.get("/api/v1/projects").json()["items"]) == 1


def test_idle_connections_to_the_database_are_closed(client: httpx.Client, backends: Backends) -> None:
    sign_up(client)

    def none_left() -> bool | None:
        with backends.administrator() as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE usename IN ('app_a', 'app_b')"
            ).fetchone()
        return True if row == (0,) else None

    eventually(none_left, seconds=60)
