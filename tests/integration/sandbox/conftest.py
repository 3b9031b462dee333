from collections.abc import Iterator

import pytest

from sandbox.lifecycle import Sandbox
from tests.integration.sandbox.emulator import Emulator


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulated AWS that the tests of this folder share."""
    state_dir = tmp_path_factory.mktemp("emulator")
    sandbox = Sandbox(state_dir)
    sandbox.start()
    try:
        yield Emulator(sandbox, state_dir)
    finally:
        sandbox.wipe()
