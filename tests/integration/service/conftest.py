"""Real servers for the service: PostgreSQL with the platform's roles, and Valkey behind TLS."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest

from sandbox.load_balancer.alone import tls_in_front_of
from sandbox.ports import any_free
from sandbox.postgres import PostgresServer
from sandbox.tls import ensure_authority
from sandbox.valkey import ValkeyServer
from taskboard.cache import Cache
from taskboard.settings import Settings
from tests.integration.service.support import (
    ROLES,
    Backends,
    RunningService,
    ServiceFactory,
)

WithCache = Callable[[Callable[[Cache], Awaitable[None]]], None]


@pytest.fixture(scope="session")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    folder = tmp_path_factory.mktemp("backends")
    authority = ensure_authority(folder / "tls")
    postgres = PostgresServer(
        data_dir=folder / "postgres", port=any_free(), authority=authority, log=folder / "postgres.log"
    )
    valkey = ValkeyServer(data_dir=folder / "valkey", port=any_free(), log=folder / "valkey.log")
    try:
        postgres.start()
        postgres.set_master("master", "master", database="app")
        valkey.start()
        valkey.set_user("app", passwords=["valkey"], access="on ~* &* +@all -@dangerous")
        with tls_in_front_of(valkey.port, folder) as valkey_port:
            backends = Backends(authority, postgres, valkey, valkey_port)
            with backends.administrator() as connection:
                connection.execute(ROLES)
            yield backends
    finally:
        postgres.destroy()
        valkey.destroy()


@pytest.fixture(scope="session")
def services(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> ServiceFactory:
    return ServiceFactory(backends, tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def database(backends: Backends, request: pytest.FixtureRequest) -> str:
    """Name of an empty database of this module's own."""
    name = str(request.module.__name__).rpartition(".")[2]
    backends.new_database(name)
    return name


@pytest.fixture(scope="module")
def service(services: ServiceFactory, database: str) -> Iterator[RunningService]:
    with services.run(database) as running:
        yield running


@pytest.fixture
def client(service: RunningService) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


@pytest.fixture
def with_cache(backends: Backends, monkeypatch: pytest.MonkeyPatch) -> WithCache:
    """Run a test that uses Valkey as the service does."""
    environment = backends.environment("app")
    monkeypatch.setenv("SSL_CERT_FILE", environment["SSL_CERT_FILE"])

    async def run(test: Callable[[Cache], Awaitable[None]]) -> None:
        cache = Cache(Settings.read(environment))
        try:
            await test(cache)
        finally:
            await cache.close()

    return lambda test: asyncio.run(run(test))
