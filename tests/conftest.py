"""How the tests share processes: what a folder's tests share (servers, templates) is made once.

Run side by side (`./gantry test`), tests that share something stay in one process; alone, all of them do.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# The folders whose tests share something, those that take longest first, so that none is left for the end.
GROUPS = (
    "integration/platform",
    "properties",
    "infrastructure",
    "integration/sandbox",
    "integration/tasks",
    "integration/service",
    "integration/lambdas",
    "unit",
)


def group_of(file: Path) -> str:
    """Return the folder whose tests a file's tests share something with.

    Raises
    ------
    ValueError
        When the folder is new, and so in no group.
    """
    path = file.relative_to(TESTS).as_posix()
    for group in GROUPS:
        if path.startswith(f"{group}/"):
            return group
    raise ValueError(f"tests/{path} is in none of the folders {', '.join(GROUPS)}: see tests/conftest.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item.path)))
    items.sort(key=lambda item: GROUPS.index(group_of(item.path)))
