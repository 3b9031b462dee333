"""Deployments with a record, on a running platform: one that breaks, the way back, and who waits for whom."""

import json
import os
import signal
import subprocess
import time
from typing import Any

import pytest

from tests.integration.platform.conftest import ROOT, DeployedPlatform, context
from tools.bench.load import load

BROKEN = {"ecs__environment__RATE_LIMIT_PER_MINUTE": "none"}  # which stops the container at its start


def deploy(platform: DeployedPlatform, reason: str, **overrides: str) -> subprocess.CompletedProcess[str]:
    return platform.gantry("deploy", "--yes", "--reason", reason, *context(**overrides))


def begin(platform: DeployedPlatform, reason: str, **overrides: str) -> subprocess.Popen[str]:
    """Begin a deployment, and return once its entry is written."""
    before = history(platform)[0]["id"]
    words = ["deploy", "--yes", "--reason", reason, *context(**overrides)]
    process = subprocess.Popen(
        [str(ROOT / "gantry"), *words],
        env=os.environ | {"GANTRY_STATE_DIR": str(platform.state_dir)},
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while history(platform)[0]["id"] == before:
        assert process.poll() is None
        assert time.monotonic() < deadline
    return process


def history(platform: DeployedPlatform) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(platform.gantry("history", "--json").stdout)
    return found


def lock(platform: DeployedPlatform) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(platform.gantry("lock", "status", "--json").stdout)
    return found


def test_history_knows_what_was_deployed_without_an_entry(platform: DeployedPlatform) -> None:
    oldest = history(platform)[-1]
    assert (oldest["id"], oldest["kind"], oldest["outcome"]) == ("", "cdk", "succeeded")
    assert "gantry-sandbox-compute" in oldest["changes"]


@pytest.mark.long
def test_deployment_is_written_down_and_gone_back_from_under_load(platform: DeployedPlatform) -> None:
    first = deploy(platform, "the first", ecs__environment__FEATURE="one")
    assert first.returncode == 0, first.stderr
    with load(platform.url) as report:
        began = time.monotonic()
        second = deploy(platform, "the second", ecs__environment__FEATURE="two")
        deployed = time.monotonic()
        assert second.returncode == 0, second.stderr
        back = platform.gantry("rollback", "--last-good", "--yes")
        print(f"deploy {deployed - began:.1f} s, rollback {time.monotonic() - deployed:.1f} s")  # noqa: T201
        assert back.returncode == 0, back.stderr
    assert report.failures == []
    entries = history(platform)[:3]
    assert [(each["kind"], each["outcome"]) for each in entries] == [
        ("rollback", "succeeded"), ("deploy", "succeeded"), ("deploy", "succeeded"),
    ]  # fmt: skip
    assert entries[0]["of"] == entries[2]["id"] == first.stdout.strip()
    assert [each["reason"] for each in entries] == ["", "the second", "the first"]
    between = platform.gantry("compare", entries[2]["id"], entries[1]["id"])
    assert "Environment[FEATURE].Value: one → two" in between.stdout
    assert lock(platform) == {"held": False, "holder": None}


@pytest.mark.long
def test_release_that_breaks_is_rolled_back_and_says_why_while_the_old_one_serves(
    platform: DeployedPlatform,
) -> None:
    with load(platform.url) as report:
        result = deploy(platform, "broken", **BROKEN)
    assert result.returncode == 1
    assert "RATE_LIMIT_PER_MINUTE='none'" in result.stderr
    assert "CloudFormation rolled it back" in result.stderr
    assert report.failures == []
    entry = history(platform)[0]
    assert (entry["outcome"], entry["reason"]) == ("failed", "broken")
    assert "AWS::ECS::Service" in entry["cause"]
    assert not lock(platform)["held"]


def test_lock_that_is_held_by_hand_keeps_others_from_deploying(platform: DeployedPlatform) -> None:
    assert platform.gantry("lock", "acquire", "--reason", "the fair").returncode == 0
    try:
        result = deploy(platform, "refused", ecs__environment__FEATURE="three")
        assert result.returncode == 1
        assert "the fair" in result.stderr
    finally:
        assert platform.gantry("lock", "release").returncode == 0


@pytest.mark.long
def test_rollback_stops_the_deployment_that_is_on_its_way(platform: DeployedPlatform) -> None:
    before = {"ecs__environment__FEATURE": "before"}
    first = deploy(platform, "before", **before)
    assert first.returncode == 0, first.stderr
    with load(platform.url) as report:
        other = begin(platform, "stopped", ecs__environment__FEATURE="stopped")
        back = platform.gantry("rollback", "--to", first.stdout.strip(), "--yes")
        other.communicate(timeout=180)
    assert back.returncode == 0, back.stderr
    assert report.failures == []
    assert (history(platform)[0]["kind"], history(platform)[0]["outcome"]) == ("rollback", "succeeded")
    assert not lock(platform)["held"]
    assert "Nothing changes" in deploy(platform, "again", **before).stderr


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_deployment_that_is_cut_off_is_read_from_cloudformation_and_frees_the_lock(
    platform: DeployedPlatform, how: signal.Signals
) -> None:
    process = begin(platform, "cut off", ecs__environment__FEATURE=how.name)
    time.sleep(3)  # the CLI has begun
    os.killpg(process.pid, how)
    process.communicate(timeout=120)
    # The lease of a process that was killed expires; what CloudFormation has begun ends by itself.
    again = platform.gantry(
        "deploy", "--yes", "--wait", *context(ecs__environment__FEATURE=f"after {how.name}")
    )
    assert again.returncode == 0, again.stderr
    entry = history(platform)[1]
    assert entry["reason"] == "cut off"
    said = {signal.SIGINT: ("interrupted",), signal.SIGKILL: ("succeeded (read from", "unknown")}[how]
    assert entry["outcome"].startswith(said)
