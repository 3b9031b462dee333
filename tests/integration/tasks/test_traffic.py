"""Deployments that move the traffic from one target group to the other."""

from typing import Any

import pytest

from sandbox.load_balancer.config import LoadBalancerConfig
from tests.integration.tasks.bench import ALTERNATE, SERVICE, TARGET_GROUP, Bench, Load, spec, wait_until

BLUE_GREEN = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1}
CANARY = {
    "strategy": "CANARY",
    "canaryConfiguration": {"canaryPercent": 20, "canaryBakeTimeInMinutes": 3},
    "bakeTimeInMinutes": 3,
}
LINEAR = {
    "strategy": "LINEAR",
    "linearConfiguration": {"stepPercent": 50, "stepBakeTimeInMinutes": 3},
    "bakeTimeInMinutes": 3,
}


def ports(bench: Bench, group: str) -> int:
    return len(bench.load_balancer.targets(group))


def stage(bench: Bench) -> str:
    return str(bench.describe()["deployments"][0]["lifecycleStage"])


def share_of(bench: Bench, version: str) -> float:
    answers = [bench.get()["environment"]["VERSION"] for _ in range(40)]
    return answers.count(version) / len(answers)


def deploy_in_load(bench: Bench, load: Load, version: int, shift: dict[str, Any]) -> None:
    outcome = bench.deploy(spec(version, shift=shift))
    assert outcome is not None
    assert outcome["rolloutState"] == "COMPLETED"
    assert load.failures == []


def test_blue_green_moves_all_traffic_at_once_and_back_with_the_next(bench: Bench) -> None:
    bench.deploy(spec(1, shift=BLUE_GREEN))
    assert (ports(bench, TARGET_GROUP), ports(bench, ALTERNATE)) == (2, 0)
    with bench.load("POST") as load:
        deploy_in_load(bench, load, 2, BLUE_GREEN)
        assert (ports(bench, TARGET_GROUP), ports(bench, ALTERNATE)) == (0, 2)
        deploy_in_load(bench, load, 3, BLUE_GREEN)
        assert (ports(bench, TARGET_GROUP), ports(bench, ALTERNATE)) == (2, 0)
    assert load.versions == {"1", "2", "3"}


@pytest.mark.parametrize(("shift", "share"), [(CANARY, 20), (LINEAR, 50)], ids=["canary", "linear"])
def test_a_share_of_the_traffic_goes_first(bench: Bench, shift: dict[str, Any], share: int) -> None:
    bench.deploy(spec(1, shift=shift))
    with bench.load() as load:
        bench.scheduler.update_service(spec(2, shift=shift))
        wait_until(lambda: stage(bench) == "PRODUCTION_TRAFFIC_SHIFT")
        assert weights(bench) == {TARGET_GROUP: 100 - share, ALTERNATE: share}
        wait_until(lambda: stage(bench) == "BAKE_TIME")
        assert weights(bench) == {TARGET_GROUP: 0, ALTERNATE: 100}
        assert len(bench.tasks("RUNNING")) == 4
        outcome = bench.scheduler.wait_for_deployment(SERVICE, timeout=30)
    assert outcome is not None
    assert outcome["rolloutState"] == "COMPLETED"
    assert load.failures == []
    assert load.versions == {"1", "2"}
    assert len(bench.tasks("RUNNING")) == 2


def weights(bench: Bench) -> dict[str, int]:
    return LoadBalancerConfig.load(bench.layout.root / "load_balancer.json").weights


@pytest.mark.parametrize("when", ["PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME"])
def test_an_alarm_rolls_back_and_one_from_before_does_not(bench: Bench, when: str) -> None:
    shift = CANARY | {"bakeTimeInMinutes": 20} if when == "BAKE_TIME" else CANARY
    first = bench.deploy(spec(1, shift=shift))
    assert first is not None
    pids = bench.pids()
    bench.aws.in_alarm = {"latency"}  # in ALARM before, so that it says nothing about the deployment
    with bench.load() as load:
        second = bench.scheduler.update_service(spec(2, shift=shift))
        wait_until(lambda: stage(bench) == when)
        bench.aws.in_alarm = {"latency", "errors"}
        failed = bench.scheduler.wait_for_deployment(SERVICE, second, timeout=30)
        restored = bench.scheduler.wait_for_deployment(SERVICE, timeout=30)
    assert failed is not None
    assert failed["rolloutStateReason"] == "ECS deployment alarm: errors is in ALARM."
    assert restored is not None
    assert (restored["id"], restored["rolloutState"]) == (first["id"], "COMPLETED")
    assert load.failures == []
    assert bench.pids() == pids
    assert share_of(bench, "1") == 1


def test_a_restart_in_the_middle_goes_on_with_the_new_version(bench: Bench) -> None:
    shift = CANARY | {"bakeTimeInMinutes": 60}
    bench.deploy(spec(1, shift=shift))
    bench.scheduler.update_service(spec(2, shift=shift))
    wait_until(lambda: stage(bench) == "BAKE_TIME")
    bench.scheduler.stop()
    bench.scheduler = bench.new_scheduler()
    bench.scheduler.start()
    resumed = bench.scheduler.wait_for_deployment(SERVICE, timeout=30)
    assert resumed is not None
    assert resumed["rolloutState"] == "COMPLETED"
    assert share_of(bench, "2") == 1
