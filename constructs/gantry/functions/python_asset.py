"""Assets of Lambda functions in Python, built without Docker and the same wherever they are built."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PYTHON_VERSION = "3.14"
# A zip cannot hold an earlier time; the real one would differ between builds.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16
# What pip writes about the machine, and what is of no use at run time.
_LEFT_OUT = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
# Settings of the user's own pip that contradict --target or change what is installed. Those that say where to
# download from (index, proxy, certificates) stay.
_PIP_SETTINGS = {
    "PIP_CONSTRAINT": os.devnull,
    "PIP_DRY_RUN": "0",
    "PIP_REQUIRE_VIRTUALENV": "0",
    "PIP_USER": "0",
}
_OTHER_PLACES = frozenset({"PIP_PREFIX", "PIP_ROOT"})


class BundlingError(Exception):
    """The asset of a function cannot be built; the message says why."""


@dataclass(frozen=True, kw_only=True)
class PythonAsset:
    """A function's zip.

    Attributes
    ----------
    path
        The zip.
    content_hash
        Hash of what the zip holds. The zip's own would depend on the machine: what deflate makes of the same
        input differs between zlib's implementations.
    """

    path: Path
    content_hash: str


@dataclass(frozen=True, kw_only=True)
class PythonSource:
    """What the assets of functions are made of.

    Attributes
    ----------
    root
        Folder that holds one package a function, ``shared/`` with packages that every asset gets, and
        ``requirements.txt``, locked with hashes.
    packages
        Folders of further packages that every asset gets.
    build_dir
        Where built assets are kept; they are found again by a hash of what they were made of.
    """

    root: Path
    build_dir: Path
    packages: tuple[Path, ...] = ()

    def build(self, name: str) -> PythonAsset:
        """Return the asset of a function, building it when its inputs changed.

        Raises
        ------
        BundlingError
            When there is no such function or its packages cannot be installed.
        """
        if not (self.root / name).is_dir():
            raise BundlingError(f"there is no function {name!r} in {self.root}")
        target = self.build_dir / f"{name}-{self.digest(name)[:16]}.zip"
        if not zipfile.is_zipfile(target):  # a power cut can leave an empty file under the final name
            with tempfile.TemporaryDirectory(dir=self._made_build_dir(), prefix=".new-") as folder:
                finished = Path(folder) / target.name
                _zip(finished, [*_files(self._packages()), *self._sources(name)])
                finished.replace(target)
        with zipfile.ZipFile(target) as archive:
            return PythonAsset(path=target, content_hash=archive.comment.decode())

    def digest(self, name: str) -> str:
        """Return a hash of all that goes into a function's asset."""
        digest = hashlib.sha256((self.root / "requirements.txt").read_bytes())
        for path, file in self._sources(name):
            digest.update(path.encode() + b"\0" + file.read_bytes() + b"\0")
        return digest.hexdigest()

    def _sources(self, name: str) -> Iterator[tuple[str, Path]]:
        yield from _files(self.root / "shared")
        for package in (*self.packages, self.root / name):
            for path, file in _files(package):
                yield f"{package.name}/{path}", file

    def _packages(self) -> Path:
        """Return the folder with the locked packages, which all assets share."""
        lock = self.root / "requirements.txt"
        target = self.build_dir / f"packages-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=self._made_build_dir(), prefix=".new-") as folder:
                packages = Path(folder) / "packages"
                _install(lock, packages)
                _move(packages, target)
        return target

    def _made_build_dir(self) -> Path:
        self.build_dir.mkdir(parents=True, exist_ok=True)
        return self.build_dir


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a folder with their path in the asset, always in the same order."""
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in path.parts)
        if file.is_file() and not hidden and file.name not in _LEFT_OUT:
            yield path.as_posix(), file


def _zip(target: Path, files: Iterable[tuple[str, Path]]) -> None:
    content = hashlib.sha256()
    with zipfile.ZipFile(target, "w") as archive:
        for path, file in files:
            entry = zipfile.ZipInfo(path, date_time=_EPOCH)
            entry.external_attr = _READABLE
            data = file.read_bytes()
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
            content.update(f"{path}\0{len(data)}\0".encode() + data)
        archive.comment = content.hexdigest().encode()


def _install(lock: Path, target: Path) -> None:
    # Wheels for any platform, so that an asset built on a laptop is the one that runs on Graviton.
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"]
    pinned = ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
    platform = [
        "--platform",
        "any",
        "--implementation",
        "py",
        "--abi",
        "none",
        "--python-version",
        PYTHON_VERSION,
    ]
    command = [sys.executable, "-m", "pip", "install", *options, *pinned, *platform]
    variables = {name: value for name, value in os.environ.items() if name not in _OTHER_PLACES}
    result = subprocess.run(
        [*command, "--target", str(target), "--requirement", str(lock)],
        env=variables | _PIP_SETTINGS,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if result.returncode or not target.is_dir():
        raise BundlingError(f"the packages of {lock} cannot be installed:\n{result.stderr[-2000:]}")
    shutil.rmtree(target / "bin", ignore_errors=True)


def _move(source: Path, target: Path) -> None:
    """Move a finished folder into place; one that another process put there first is as good."""
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():
            raise
