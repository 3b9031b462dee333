"""The signing key's rig, which needs no server."""

from collections.abc import Iterator

import pytest

from tests.aws.rigs import SigningKeyRig


@pytest.fixture
def rig() -> Iterator[SigningKeyRig]:
    made = SigningKeyRig()
    yield made
    made.close()
