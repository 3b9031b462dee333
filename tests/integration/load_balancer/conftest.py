from collections.abc import Iterator

import pytest

from sandbox.layout import Layout
from sandbox.load_balancer import traefik
from sandbox.load_balancer.alone import running
from tests.integration.load_balancer.harness import Balancing


@pytest.fixture(scope="package")
def balancing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancing]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traefik, "CLIENT_SECONDS", 1)
        folder = tmp_path_factory.mktemp("load-balancer")
        with running(folder) as (control, ports):
            yield Balancing(control, ports, Layout(folder))
