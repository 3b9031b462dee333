"""The signing key's harness, which needs no server."""

from collections.abc import Iterator

import pytest

from tests.aws.harness import SigningKeyHarness


@pytest.fixture
def harness() -> Iterator[SigningKeyHarness]:
    made = SigningKeyHarness()
    yield made
    made.close()
