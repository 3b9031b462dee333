"""Which code a sandbox runs: its own sources and the packages that it is pinned to."""

import hashlib
from functools import cache
from pathlib import Path

from sandbox.files import write_atomically

_ROOT = Path(__file__).resolve().parent.parent
_PINS = ("requirements-sandbox.txt", "package-lock.json")


def is_current(state_dir: Path, *, root: Path = _ROOT) -> bool:
    """Return whether a sandbox was started with the code that is here now.

    Parameters
    ----------
    state_dir
        The sandbox's state directory.
    root
        The checkout.
    """
    record = _record(state_dir)
    return record.is_file() and record.read_text() == _digest(root)


def record_start(state_dir: Path, *, root: Path = _ROOT) -> None:
    """Record that a sandbox was started with the code that is here now.

    The parameters are those of `is_current`.
    """
    write_atomically(_record(state_dir), _digest(root))


def _record(state_dir: Path) -> Path:
    return state_dir / "code-version"


@cache
def _digest(root: Path) -> str:
    """Return a hash of the code, the one that this process has loaded too: it is read once."""
    digest = hashlib.sha256()
    for file in [*sorted((root / "sandbox").rglob("*.py")), *(root / name for name in _PINS)]:
        digest.update(f"{file.relative_to(root)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
