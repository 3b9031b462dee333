"""Templates of every environment, synthesised once for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.infrastructure.checking import Checker
from tests.infrastructure.synthesis import ENVIRONMENTS, Synthesised, Synthesiser


@pytest.fixture(scope="session", autouse=True)
def _no_region_variable() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_REGION", raising=False)
        yield


@pytest.fixture(scope="session")
def synthesise(tmp_path_factory: pytest.TempPathFactory) -> Synthesiser:
    return Synthesiser(tmp_path_factory.mktemp("synthesised"))


@pytest.fixture(scope="session")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    return Checker(tmp_path_factory.mktemp("checked"))


@pytest.fixture(params=ENVIRONMENTS)
def platform(request: pytest.FixtureRequest, synthesise: Synthesiser) -> Synthesised:
    """Each environment in turn."""
    return synthesise(request.param)


@pytest.fixture
def prod(synthesise: Synthesiser) -> Synthesised:
    return synthesise("prod")


@pytest.fixture
def sandbox(synthesise: Synthesiser) -> Synthesised:
    return synthesise("sandbox")
