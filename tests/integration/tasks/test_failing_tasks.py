"""Tasks that are killed, hang or go wrong while the service is in use."""

import os
import signal
import time
from collections.abc import Callable

from tests.integration.tasks.bench import SERVICE, Bench, is_alive, pid_of, spec, wait_until


def _healthy(bench: Bench) -> int:
    return sum(task["healthStatus"] == "HEALTHY" for task in bench.tasks("RUNNING"))


def _is_replaced(bench: Bench, pid: int) -> Callable[[], bool]:
    return lambda: pid not in bench.pids() and _healthy(bench) == 2


def test_a_killed_task_fails_no_read_and_is_replaced(bench: Bench) -> None:
    bench.deploy(spec())
    with bench.load("GET", clients=8) as load:
        for _ in range(3):
            victim = bench.pids()[0]
            os.kill(victim, signal.SIGKILL)
            wait_until(_is_replaced(bench, victim))
    assert load.failures == []
    killed = bench.tasks("STOPPED")
    assert {task["containers"][0]["exitCode"] for task in killed} == {137}
    assert {task["stopCode"] for task in killed} == {"EssentialContainerExited"}


def test_a_task_that_ends_by_itself_breaks_off_no_more_than_the_writes_on_their_way_to_it(
    bench: Bench,
) -> None:
    bench.deploy(spec())
    with bench.load("POST", clients=8) as load:
        for _ in range(5):
            victim = bench.pids()[0]
            os.kill(victim, signal.SIGTERM)
            wait_until(_is_replaced(bench, victim))
    # What was sent to a connection that it closed just then may have been obeyed, and is not sent again. A
    # deployment stops a task only when it has no connection left.
    assert all(failure.startswith("502 ") for failure in load.failures)
    assert len(load.failures) <= 2 * 5
    assert load.answered > 100


def test_a_task_that_fails_its_health_check_is_replaced_before_it_is_stopped(bench: Bench) -> None:
    bench.deploy(spec())
    with bench.load() as load:
        sick = bench.get("/sicken")["pid"]
        wait_until(_is_replaced(bench, sick))
    assert load.failures == []
    wait_until(lambda: bench.tasks("STOPPED"))
    (stopped,) = bench.tasks("STOPPED")
    assert pid_of(stopped) == sick
    assert stopped["stoppedReason"].startswith("Task failed ELB health checks in (target-group arn:aws:")
    assert stopped["stopCode"] == "ServiceSchedulerInitiated"
    assert any("is unhealthy in (target-group" in message for message in bench.messages())


def test_a_task_that_ignores_sigterm_is_killed_after_its_stop_timeout(bench: Bench) -> None:
    bench.deploy(spec(1, desired=1, behaviour="stubborn", stop_timeout=1))
    (pid,) = bench.pids()
    with bench.load() as load:
        bench.deploy(spec(2, desired=1))
    assert load.failures == []
    assert not is_alive(pid)
    (stopped,) = bench.tasks("STOPPED")
    assert stopped["containers"][0]["exitCode"] == 137


def test_a_request_in_flight_ends_before_its_task_does(bench: Bench) -> None:
    bench.deploy(spec(1, desired=1))
    with bench.load("GET", "/slow?s=0.5", clients=4) as load:
        bench.deploy(spec(2, desired=1))
    assert load.failures == []
    assert load.versions == {"1", "2"}


def test_a_task_whose_secret_is_missing_fails_to_start_and_says_so(bench: Bench) -> None:
    failed = bench.deploy(spec(1, secrets={"DATABASE_SECRET": "arn:missing"}))
    assert failed is not None
    assert failed["rolloutState"] == "FAILED"
    wait_until(lambda: len(bench.tasks("STOPPED")) == len(bench.tasks()))
    task = bench.tasks()[0]
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith(
        "ResourceInitializationError: unable to retrieve secret arn:missing"
    )
    assert "startedAt" not in task


def test_an_update_whose_tasks_cannot_even_start_fails_and_is_rolled_back(bench: Bench) -> None:
    first = bench.deploy(spec(1))
    assert first is not None
    failed = bench.deploy(spec(2, secrets={"DATABASE_SECRET": "arn:missing"}))
    assert failed is not None
    assert failed["rolloutState"] == "FAILED"
    late = bench.scheduler.wait_for_deployment(SERVICE, failed["id"], timeout=5)
    assert late is not None
    assert (late["id"], late["rolloutState"]) == (failed["id"], "FAILED")
    restored = bench.scheduler.wait_for_deployment(SERVICE, timeout=5)
    assert restored is not None
    assert (restored["id"], restored["rolloutState"]) == (first["id"], "COMPLETED")


def test_a_task_of_a_service_that_a_user_stops_is_replaced(bench: Bench) -> None:
    bench.deploy(spec())
    victim = bench.tasks("RUNNING")[0]
    with bench.load() as load:
        described = bench.scheduler.stop_task(victim["taskArn"], "for fun")
        assert described["desiredStatus"] == "STOPPED"
        wait_until(lambda: len(bench.tasks("STOPPED")) == 1 and _healthy(bench) == 2)
    assert load.failures == []
    (stopped,) = bench.tasks("STOPPED")
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "for fun")


def test_a_crash_loop_slows_down(bench: Bench) -> None:
    bench.deploy(spec(1, desired=1, breaker=False))
    (bench.folder / "service.py").write_text("raise SystemExit('broken')")
    os.kill(bench.pids()[0], signal.SIGKILL)
    wait_until(lambda: len(bench.tasks("STOPPED")) >= 5)
    before = len(bench.tasks())
    time.sleep(2)
    assert len(bench.tasks()) - before <= 3
    assert bench.describe()["deployments"][0]["rolloutState"] == "COMPLETED"
    assert SERVICE in bench.scheduler.service_arns()
