"""One sandbox for all tests of the platform, deployed as a user deploys it."""

import json
import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from sandbox.clients import session
from sandbox.lifecycle import Sandbox
from tests.plain_http import NO_TLS

ROOT = Path(__file__).parents[3]
# The load signs in far more often than any person from one address.
LIMITS = {
    "ecs.environment.RATE_LIMIT_PER_MINUTE": "1000000",
    "ecs.environment.SIGN_IN_RATE_LIMIT_PER_MINUTE": "1000000",
    # Sessions in use are signed again at once, so that the previous signing key can go soon.
    "rotation.session_lifetime_seconds": "2",
}


@dataclass(frozen=True)
class DeployedPlatform:
    """The platform in a sandbox of its own, driven through `./gantry`.

    Attributes
    ----------
    first_rotation
        What came of rotating the database's password as soon as everything was deployed.
    """

    state_dir: Path
    url: str
    first_rotation: subprocess.CompletedProcess[str]

    def gantry(self, *arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run a command of `./gantry` on this sandbox."""
        return gantry(self.state_dir, *arguments, timeout=timeout)

    def deploy(self, **overrides: str) -> subprocess.CompletedProcess[str]:
        """Deploy with settings overridden, as `cdk deploy --all`."""
        return self.gantry("cdk", "deploy", "--all", "--require-approval", "never", *context(**overrides))

    def status(self) -> dict[str, Any]:
        """Return what `./gantry status --json` prints."""
        result = self.gantry("status", "--json")
        assert result.stdout, result.stderr
        document: dict[str, Any] = json.loads(result.stdout)
        assert result.returncode == (0 if document["verdict"] == "healthy" else 1)
        return document

    def health(self) -> httpx.Response:
        """Ask one of the service's tasks for its detailed health, at its own port."""
        variables = Sandbox(self.state_dir).environment()
        client = session(variables).client("elbv2", endpoint_url=variables["AWS_ENDPOINT_URL"])
        targets = [
            target["Target"]
            for group in client.describe_target_groups()["TargetGroups"]
            for target in client.describe_target_health(TargetGroupArn=group["TargetGroupArn"])[
                "TargetHealthDescriptions"
            ]
            if target["TargetHealth"]["State"] == "healthy"
        ]
        chosen = random.choice(targets)
        url = f"http://{chosen['Id']}:{chosen['Port']}/healthz"
        return httpx.get(url, params={"detailed": "true"}, timeout=15, verify=NO_TLS)

    def processes(self, part: str = "") -> list[psutil.Process]:
        """Return the sandbox's own processes and all that they started, by a part of the command line."""
        roots = [psutil.Process(pid) for pid in Sandbox(self.state_dir).status().pids.values()]
        family = [*roots, *(child for root in roots for child in root.children(recursive=True))]
        return [process for process in family if part in _command_of(process)]


def _command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it ended meanwhile
        return ""


def gantry(state_dir: Path, *arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "ENVIRONMENT"}
    environment["GANTRY_STATE_DIR"] = str(state_dir)
    # The CDK's own look at the templates takes longer than deploying them; tests/infrastructure has it look.
    environment["CDK_VALIDATION"] = "false"
    command = [str(ROOT / "gantry"), *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=timeout
    )


def context(**overrides: str) -> list[str]:
    """Return overrides as arguments; the load's limits are in every deployment of these tests."""
    settings = LIMITS | {key.replace("__", "."): value for key, value in overrides.items()}
    return [word for key, value in settings.items() for word in ("--context", f"{key}={value}")]


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedPlatform]:
    state_dir = tmp_path_factory.mktemp("platform") / "sandbox"
    try:
        result = gantry(state_dir, "up", "--detach", *context())
        assert result.returncode == 0, result.stderr
        rotation = gantry(state_dir, "rotate", "database", "--wait", "--json")
        yield DeployedPlatform(state_dir, result.stdout.strip(), rotation)
    finally:
        gantry(state_dir, "down", "--wipe")
