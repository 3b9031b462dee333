"""A folder in which the launcher can set up."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    root.mkdir()
    for name in ("gantry", "package-lock.json", *(file.name for file in ROOT.glob("requirements*.txt"))):
        shutil.copy(ROOT / name, root / name)
    return root
