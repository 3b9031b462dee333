import shutil
from collections.abc import Iterator

import pytest

from sandbox.layout import Layout
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
        # What the servers said, for a person who looks for the cause of a failure.
        shutil.copytree(Layout(state_dir).logs, tmp_path_factory.mktemp("emulator-logs"), dirs_exist_ok=True)
        sandbox.wipe()
