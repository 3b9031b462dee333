"""Rolling deployments of a service of processes behind the load balancer."""

import functools
import time

import pytest

from tests.integration.tasks.bench import SERVICE, Bench, spec, wait_until


def test_a_new_service_reaches_a_steady_state(bench: Bench) -> None:
    deployment = bench.deploy(spec())
    assert deployment is not None
    assert (deployment["status"], deployment["rolloutState"]) == ("PRIMARY", "COMPLETED")
    assert (deployment["runningCount"], deployment["desiredCount"]) == (2, 2)
    assert bench.messages()[-2:] == [
        f"(service web) (deployment {deployment['id']}) deployment completed.",
        "(service web) has reached a steady state.",
    ]
    wait_until(lambda: bench.aws.deployment_events()[-1:] == ["SERVICE_DEPLOYMENT_COMPLETED"])
    assert bench.aws.deployment_events() == ["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED"]


def test_a_rolling_update_fails_no_request(bench: Bench) -> None:
    bench.deploy(spec(1))
    with bench.load("GET") as reads, bench.load("POST") as writes, bench.load("GET", "/slow?s=0.3") as slow:
        for version in (2, 3):
            outcome = bench.deploy(spec(version))
            assert outcome is not None
            assert outcome["rolloutState"] == "COMPLETED"
    assert reads.failures + writes.failures + slow.failures == []
    assert reads.versions == {"1", "2", "3"}
    assert {task["taskDefinitionArn"][-1] for task in bench.tasks("RUNNING")} == {"3"}
    assert bench.describe()["taskDefinition"].endswith("web:3")


def test_tasks_stay_within_the_bounds_of_the_deployment_configuration(bench: Bench) -> None:
    # Two tasks at most and one at least: one has to go before another one can come.
    bench.deploy(spec(1, maximum=100, minimum=50))
    with bench.load() as load:
        bench.deploy(spec(2, maximum=100, minimum=50))
    assert load.failures == []
    wanted: dict[str, bool] = {}
    for event in bench.aws.events:
        if event["detail-type"] == "ECS Task State Change":
            wanted[event["detail"]["taskArn"]] = event["detail"]["desiredStatus"] == "RUNNING"
            assert sum(wanted.values()) <= 2
    assert len(wanted) == 4


def test_bounds_that_allow_nothing_are_reported(bench: Bench) -> None:
    bench.deploy(spec(1, maximum=100, minimum=100))
    bench.scheduler.update_service(spec(2, maximum=100, minimum=100))
    wait_until(lambda: "unable to stop or start tasks during a deployment" in bench.messages()[-1])
    outcome = bench.deploy(spec(2, maximum=200, minimum=100))
    assert outcome is not None
    assert outcome["rolloutState"] == "COMPLETED"


@pytest.mark.parametrize("behaviour", ["unhealthy", "crash", "deaf"])
def test_a_version_that_never_gets_healthy_is_rolled_back_while_the_old_one_serves(
    bench: Bench, behaviour: str
) -> None:
    first = bench.deploy(spec(1))
    assert first is not None
    old_pids = bench.pids()
    with bench.load() as load:
        failed = bench.deploy(spec(2, behaviour=behaviour))
        assert failed is not None
        assert failed["rolloutState"] == "FAILED"
        assert failed["failedTasks"] == 3
        restored = bench.scheduler.wait_for_deployment(SERVICE, timeout=30)
    assert load.failures == []
    assert load.versions == {"1"}
    assert restored is not None
    assert (restored["id"], restored["rolloutState"]) == (first["id"], "COMPLETED")
    assert bench.pids() == old_pids
    assert bench.describe()["taskDefinition"].endswith("web:1")
    assert bench.aws.deployment_events()[2:5] == [
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_FAILED",
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
    ]
    assert f"(service web) rolling back to deployment {first['id']}." in bench.messages()


def test_a_stack_that_rolls_back_after_the_circuit_breaker_did_changes_nothing(bench: Bench) -> None:
    bench.deploy(spec(1))
    bench.deploy(spec(2, behaviour="crash"))
    pids = bench.pids()
    restored = bench.deploy(spec(1))
    assert restored is not None
    assert restored["rolloutState"] == "COMPLETED"
    assert bench.pids() == pids


def test_a_first_deployment_that_fails_stops_trying(bench: Bench) -> None:
    failed = bench.deploy(spec(1, behaviour="crash"))
    assert failed is not None
    assert failed["rolloutState"] == "FAILED"
    wait_until(lambda: len(bench.tasks("STOPPED")) == len(bench.tasks()))
    reasons = {(task["stopCode"], task["stoppedReason"]) for task in bench.tasks()}
    assert reasons == {("EssentialContainerExited", "Essential container in task exited")}
    assert {task["containers"][0]["exitCode"] for task in bench.tasks()} == {1}
    healed = bench.deploy(spec(2))
    assert healed is not None
    assert healed["rolloutState"] == "COMPLETED"


def test_without_a_circuit_breaker_a_crashing_version_is_tried_again_ever_more_slowly(bench: Bench) -> None:
    bench.deploy(spec(1))
    with bench.load() as load:
        bench.scheduler.update_service(spec(2, behaviour="crash", breaker=False))
        impaired = "(service web) is unable to consistently start tasks successfully."
        wait_until(lambda: impaired in bench.messages())
        before = len(bench.tasks())
        time.sleep(2)
        # The longest pause is a second here, and two tasks are started at a time.
        assert len(bench.tasks()) - before <= 8
        assert bench.describe()["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    assert load.failures == []
    assert load.versions == {"1"}


def test_a_deployment_is_superseded_by_a_newer_one_midway(bench: Bench) -> None:
    bench.deploy(spec(1))
    with bench.load() as load:
        overtaken = bench.scheduler.update_service(spec(2, behaviour="deaf"))
        wait_until(lambda: len(bench.tasks("RUNNING")) == 4)
        outcome = bench.deploy(spec(3))
        assert outcome is not None
        assert outcome["rolloutState"] == "COMPLETED"
    assert load.failures == []
    assert load.versions == {"1", "3"}
    assert bench.scheduler.wait_for_deployment(SERVICE, overtaken, timeout=5) is None
    assert len(bench.describe()["deployments"]) == 1
    assert len(bench.tasks("RUNNING")) == 2


def test_a_newer_deployment_that_fails_goes_back_beyond_the_one_it_superseded(bench: Bench) -> None:
    first = bench.deploy(spec(1))
    assert first is not None
    with bench.load() as load:
        bench.scheduler.update_service(spec(2, behaviour="deaf"))
        failed = bench.deploy(spec(3, behaviour="crash"))
        assert failed is not None
        assert failed["rolloutState"] == "FAILED"
        restored = bench.scheduler.wait_for_deployment(SERVICE, timeout=30)
    assert restored is not None
    assert restored["id"] == first["id"]
    assert load.failures == []
    assert load.versions == {"1"}


def test_a_forced_deployment_resolves_secrets_again(bench: Bench) -> None:
    bench.aws.secrets["arn:secret"] = "old"
    same = spec(1, secrets={"SIGNING_KEY": "arn:secret"})
    bench.deploy(same)
    assert bench.get()["environment"]["SIGNING_KEY"] == "old"
    bench.aws.secrets["arn:secret"] = "new"
    with bench.load() as load:
        bench.deploy(same, force=True)
    assert load.failures == []
    assert bench.get()["environment"]["SIGNING_KEY"] == "new"


def test_the_desired_count_goes_up_and_down_without_a_deployment(bench: Bench) -> None:
    deployment = bench.deploy(spec(1, desired=1))
    assert deployment is not None
    with bench.load() as load:
        for desired in (4, 2):
            assert bench.scheduler.update_service(spec(1, desired=desired)) == deployment["id"]
            wait_until(functools.partial(_is_steady, bench, desired))
    assert load.failures == []
    assert bench.describe()["desiredCount"] == 2


def _is_steady(bench: Bench, desired: int) -> bool:
    steady = bench.messages()[-1] == "(service web) has reached a steady state."
    return steady and len(bench.tasks("RUNNING")) == desired
