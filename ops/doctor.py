"""`./gantry doctor`: this machine, and what each part of it is needed for."""

import importlib.util
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError

from ops import preflight
from ops.aws_errors import explain
from ops.checks import report
from ops.checks.report import Report
from ops.checks.results import Checked, Outcome, Result, absent, failed, ok
from ops.console import CliError
from ops.paths import CDK, ROOT

_OLDEST = (3, 11)
_GIGABYTE = 10**9
# What `./gantry up` writes, with room for a deployment's assets and the databases.
_LEAST_FREE = 2 * _GIGABYTE
_PLUGIN = "session-manager-plugin"
_LOCALHOST = "127.0.0.1"
_SETUP = "Delete .venv and node_modules, and run `./gantry` again: it makes both."


def run(*, as_json: bool) -> int:
    """Look at this machine, print what was found and return the exit code: 1 when something is missing."""
    lines = [Checked(title, [each() for each in checks]) for title, checks in _LINES]
    found = Report("doctor", "this machine", datetime.now(UTC), lines)
    if as_json:
        report.print_json(found)
    else:
        report.print_table(found)
    return 0 if found.outcome is Outcome.OK else 1


def _python() -> Result:
    version = platform.python_version()
    if sys.version_info >= _OLDEST:
        return ok("Python", f"Python {version} runs Gantry.")
    return failed("Python", f"Python {version} is older than 3.11.", "Set GANTRY_PYTHON to a newer one.")


def _git() -> Result:
    version = _version("git", "--version")
    if version:
        return ok("git", f"{version}, which clones and updates Gantry.")
    return failed("git", "There is no git.", "Install git: it clones and updates Gantry.")


def _node() -> Result:
    version = _version(str(Path(sys.executable).with_name("node")), "--version")
    if version:
        return ok("node", f"node {version} of .venv runs the CDK.")
    return failed("node", "There is no node in .venv, which the CDK needs.", _SETUP)


def _cdk() -> Result:
    if CDK.exists():
        return ok("CDK CLI", f"{CDK.relative_to(ROOT)} deploys.")
    return failed("CDK CLI", f"There is no {CDK.relative_to(ROOT)}, which deploys.", _SETUP)


def _disk() -> Result:
    free = shutil.disk_usage(ROOT).free
    evidence = f"{free / _GIGABYTE:.1f} GB are free; {_LEAST_FREE / _GIGABYTE:.0f} are needed."
    return ok("disk", evidence) if free >= _LEAST_FREE else failed("disk", evidence, "Make room.")


def _ports() -> Result:
    try:
        with socket.create_server((_LOCALHOST, 0)) as server:
            port = server.getsockname()[1]
    except OSError as error:
        evidence = f"No port of {_LOCALHOST} can be listened on: {error.strerror}."
        return failed("ports", evidence, "Allow it: the sandbox serves on such ports alone.")
    return ok("ports", f"Ports of {_LOCALHOST} are free, such as {port}: the sandbox takes those it finds.")


def _sandbox() -> Result:
    if importlib.util.find_spec("ministack"):
        return ok("sandbox", "The packages of the embedded AWS are installed, for `./gantry up`.")
    return absent("sandbox", "The packages of the embedded AWS are not installed.", "`./gantry up` does it.")


def _engine() -> Result:
    own = "arm64" if platform.machine().lower() in ("aarch64", "arm64") else "x86_64"
    try:
        preflight.check_engine(own)
    except CliError as error:
        return absent("container engine", error.message, f"Needed to build the image: {error.remedy}")
    return ok("container engine", "A container engine answers, and builds the image of service/.")


def _session_manager() -> Result:
    if shutil.which(_PLUGIN):
        return ok("Session Manager", f"{_PLUGIN} is there, for sessions in a task.")
    remedy = "No package registry has it: see *Install the Session Manager plugin* in the AWS documentation."
    return absent("Session Manager", f"There is no {_PLUGIN}, which sessions in a task need.", remedy)


def _credentials() -> Result:
    try:
        found = boto3.Session().get_credentials()
    except BotoCoreError as error:
        said = explain(error)
        return failed("AWS credentials", said.message, said.remedy or "")
    if found is None:
        remedy = "`aws configure sso`, or AWS_PROFILE; the sandbox needs none."
        return absent("AWS credentials", "There are none, which a deployment to an account needs.", remedy)
    return ok("AWS credentials", f"There are some, by {found.method}, for deployments to an account.")


def _version(*command: str) -> str:
    """Return what a program says its version is, or nothing when it does not run."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if answer.returncode else answer.stdout.strip()


_LINES: Sequence[tuple[str, Sequence[Callable[[], Result]]]] = (
    ("For every command", (_python, _git, _node, _cdk)),
    ("For the sandbox", (_disk, _ports, _sandbox)),
    ("For an account", (_credentials, _engine, _session_manager)),
)
