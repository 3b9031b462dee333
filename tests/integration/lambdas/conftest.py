"""Real servers, one of each for all tests of functions."""

from collections.abc import Iterator

import pytest

from sandbox.postgres import PostgresServer
from tests.aws import servers


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with servers.database(tmp_path_factory.mktemp("database")) as server:
        yield server


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Cache]:
    with servers.cache(tmp_path_factory.mktemp("cache")) as server:
        yield server
