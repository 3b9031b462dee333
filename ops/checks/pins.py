"""Pins that are behind the newest versions, as pip and npm themselves find them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ops.checks.results import Result, failed, ok, unknown
from ops.paths import ROOT

_FOLDERS = (ROOT, ROOT / "service", ROOT / "lambdas")
_NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)")
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*])?==([^ ;\\]+)", re.MULTILINE)
# pip's answer begins with name and newest version: `boto3 (1.44.8)`.
_NEWEST = re.compile(r"^\S+ \((\S+)\)")
_SECONDS = 60
_AT_ONCE = 4
_NO_ANSWER = "no answer"


def python(_: object) -> Iterator[Result]:
    """Yield which of the Python packages that the requirements name are behind."""
    pins = _python_pins()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        newest = dict(zip(pins, pool.map(_newest_on_pypi, pins), strict=True))
    yield _result("Python pins", pins, newest, "`./gantry pins --upgrade`, then `./gantry test`")


def npm(_: object) -> Iterator[Result]:
    """Yield which npm packages are behind the newest of their major version: `latest` may be older."""
    document = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    pins: dict[str, str] = document["dependencies"] | document["optionalDependencies"]
    newest = {name: _newest_on_npm(name, version) for name, version in pins.items()}
    remedy = "Set the version in package.json, `npm install`, then `./gantry test`."
    yield _result("npm pins", pins, newest, remedy)


def _result(name: str, pins: Mapping[str, str], newest: Mapping[str, str], remedy: str) -> Result:
    behind = [
        f"{package} {pins[package]} → {version}"
        for package, version in newest.items()
        if version not in (pins[package], _NO_ANSWER)
    ]
    silent = [package for package, version in newest.items() if version == _NO_ANSWER]
    if behind:
        return failed(name, f"{len(behind)} of {len(pins)} are behind: {', '.join(behind)}.", remedy)
    if silent:
        reason = "the package registry does not answer, as without a network"
        return unknown(name, f"Not known for {', '.join(silent)}: {reason}.")
    return ok(name, f"All {len(pins)} are the newest.")


def _python_pins() -> dict[str, str]:
    """Return the pinned version of each package that a requirements file names itself."""
    pins: dict[str, str] = {}
    for file in (file for folder in _FOLDERS for file in sorted(folder.glob("requirements*.in"))):
        pinned = {_normal(name): version for name, version in _PIN.findall(_text(file.with_suffix(".txt")))}
        names = (found[1] for line in _text(file).splitlines() if (found := _NAME.match(line)))
        pins |= {_normal(name): pinned[_normal(name)] for name in names if _normal(name) in pinned}
    return pins


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _newest_on_pypi(name: str) -> str:
    command = [sys.executable, "-m", "pip", "index", "versions", name]
    answer = _ask([*command, "--retries", "0", "--timeout", "10", "--disable-pip-version-check"])
    found = _NEWEST.match(answer)
    return found[1] if found else _NO_ANSWER


def _newest_on_npm(name: str, version: str) -> str:
    npm_script = str(Path(sys.executable).with_name("npm"))
    answer = _ask(
        [sys.executable, npm_script, "view", f"{name}@^{version}", "version", "--json", "--fetch-retries=0"]
    )
    try:
        found = json.loads(answer)
    except ValueError:
        return _NO_ANSWER
    if isinstance(found, list) and found:
        found = found[-1]
    return found if isinstance(found, str) else _NO_ANSWER


def _ask(command: Sequence[str]) -> str:
    try:
        answer = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if answer.returncode else answer.stdout
