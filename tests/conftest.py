"""How the tests share processes: what a folder's tests share (servers, templates) is made once.

Run side by side (`./gantry test`), tests that share something stay in one process; alone, all of them do.
"""

import signal

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# What is timed is a benchmark: a busy machine makes no example wrong.
settings.register_profile("gantry", deadline=None)
settings.load_profile("gantry")

# A shell has what it starts in the background ignore Ctrl-C, which the programs under test then would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Whose tests share something, those that take longest first, so that none is left for the end; a file that
# shares nothing with its folder comes before it.
GROUPS = (
    "integration/test_bare_machine.py",
    "integration/platform/test_environments.py",
    "integration/platform",
    "properties",
    "infrastructure/test_settings_matrix.py",
    "infrastructure",
    "contract",
    "integration/sandbox",
    "integration/load_balancer",
    "integration/tasks",
    "integration/service",
    "integration/lambdas",
    "unit",
)


def group_of(nodeid: str) -> str:
    """Return the group whose tests a test shares something with.

    Raises
    ------
    ValueError
        When the folder is new, and so in no group.
    """
    for group in GROUPS:
        if nodeid.startswith(f"tests/{group}"):
            return group
    raise ValueError(f"{nodeid} is in none of {', '.join(GROUPS)}: see tests/conftest.py")


class ByFolder(LoadScopeScheduling):  # type: ignore[misc]  # xdist has annotations and does not say so
    """Gives each process a whole group at a time."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFolder:
    config.option.loadscopereorder = False
    return ByFolder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: GROUPS.index(group_of(item.nodeid)))
