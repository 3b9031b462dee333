"""What is left of tasks, of the scheduler and of the load balancer when one of them ends."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from sandbox.load_balancer.control import served_version
from sandbox.tasks import TaskError, kill_leftover_tasks
from tests.integration.tasks.bench import (
    CLUSTER,
    ROOT,
    SERVICE,
    TARGET_GROUP,
    Bench,
    is_alive,
    spec,
    task_definition,
    wait_until,
)


def test_a_task_goes_through_the_states_of_ecs_and_sends_them_to_eventbridge(bench: Bench) -> None:
    bench.deploy(spec(desired=1))
    (task,) = bench.tasks()
    bench.scheduler.delete_service(SERVICE)
    arn = task["taskArn"]
    wait_until(lambda: _events(bench, arn)[-1]["detail"]["lastStatus"] == "STOPPED")
    states = [event["detail"]["lastStatus"] for event in _events(bench, arn)]
    assert states == ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "RUNNING", "DEACTIVATING",
                      "STOPPING", "DEPROVISIONING", "STOPPED"]  # fmt: skip
    versions = [event["detail"]["version"] for event in _events(bench, arn)]
    assert versions == sorted(set(versions))
    last = _events(bench, arn)[-1]
    assert (last["source"], last["detail-type"], last["resources"]) == (
        "aws.ecs",
        "ECS Task State Change",
        [arn],
    )
    detail = last["detail"]
    assert detail["group"] == "service:web"
    assert detail["startedBy"].startswith("ecs-svc/")
    assert detail["stoppedReason"] == f"Scaling activity initiated by (deployment {detail['startedBy']})"
    names = ["createdAt", "pullStartedAt", "pullStoppedAt", "startedAt", "stoppingAt", "executionStoppedAt",
             "stoppedAt"]  # fmt: skip
    times = [detail[name] for name in names]
    assert times == sorted(times)
    assert detail["containers"][0]["exitCode"] == 0


def test_a_task_has_a_folder_to_write_to_that_is_its_own_and_ends_with_it(bench: Bench) -> None:
    bench.deploy(spec(desired=2))
    folders: set[Path] = set()
    while len(folders) < 2:
        folders.add(Path(bench.get()["environment"]["TMPDIR"]))
    for folder in folders:
        assert list(folder.iterdir()) == []
        (folder / "scratch").write_text("x")
    bench.scheduler.delete_service(SERVICE, wait=True)
    wait_until(lambda: not any(folder.parent.exists() for folder in folders))


def _events(bench: Bench, arn: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [event for event in bench.aws.events if arn in event["resources"]]
    return found


def test_a_task_has_the_environment_of_its_definition_and_image_and_nothing_else(bench: Bench) -> None:
    bench.aws.secrets["arn:key"] = '{"current":"k"}'
    os.environ["LEAK"] = "1"
    try:
        bench.deploy(spec(7, desired=1, secrets={"SECRET_KEY_BASE": "arn:key"}))
    finally:
        del os.environ["LEAK"]
    environment = bench.get()["environment"]
    (task,) = bench.tasks("RUNNING")
    assert environment["PATH"].split(os.pathsep)[0] == str(bench.folder / ".venv" / "bin")
    assert list(Path(environment["HOME"]).iterdir()) == []
    expected = {
        "BEHAVIOUR": "healthy",
        "CERTIFICATE": str(bench.folder / "certs" / "bundle.pem"),
        "FROM_IMAGE": "1",
        "HOST": "127.0.0.1",
        "LANG": "C.UTF-8",
        "PORT": str(task["containers"][0]["networkBindings"][0]["hostPort"]),
        "SECRET_KEY_BASE": '{"current":"k"}',
        "SSL_CERT_FILE": "/ca.pem",
        "VERSION": "7",
    }
    own = {
        name: value
        for name, value in environment.items()
        if name not in {"PATH", "HOME", "LC_CTYPE", "TMPDIR"}
    }
    assert own == expected


def test_output_goes_to_a_file_and_to_cloudwatch_logs(bench: Bench) -> None:
    bench.deploy(spec(desired=1))
    (task,) = bench.tasks("RUNNING")
    task_id = task["taskArn"].rpartition("/")[2]
    bench.scheduler.delete_service(SERVICE)
    stream = ("/gantry/web", f"web/web/{task_id}")
    wait_until(lambda: bench.aws.logs.get(stream) == ["listening", "bye"])
    assert (bench.layout.task_logs / f"{task_id}.log").read_text() == "listening\nbye\n"


def test_deletion_leaves_no_process_and_no_target(bench: Bench) -> None:
    bench.deploy(spec())
    pids = bench.pids()
    bench.scheduler.delete_service(SERVICE)
    assert not any(map(is_alive, pids))
    assert bench.load_balancer.targets(TARGET_GROUP) == []
    assert bench.scheduler.describe_service(SERVICE) is None
    assert {task["lastStatus"] for task in bench.tasks()} == {"STOPPED"}


def test_deleting_a_service_in_the_middle_of_a_failing_deployment_ends_the_wait_for_it(bench: Bench) -> None:
    bench.scheduler.create_service(spec(behaviour="deaf"))
    wait_until(lambda: len(bench.tasks("RUNNING")) == 2)
    pids = bench.pids()
    bench.scheduler.delete_service(SERVICE, wait=False)
    assert bench.scheduler.wait_for_deployment(SERVICE, timeout=5) is None
    wait_until(lambda: not any(map(is_alive, pids)))


def test_a_stopped_scheduler_leaves_nothing_and_the_next_one_goes_on(bench: Bench) -> None:
    deployment = bench.deploy(spec(3))
    assert deployment is not None
    pids = bench.pids()
    bench.scheduler.stop()
    assert not any(map(is_alive, pids))
    bench.scheduler = bench.new_scheduler()
    bench.scheduler.start()
    resumed = bench.scheduler.wait_for_deployment(SERVICE, timeout=30)
    assert resumed is not None
    assert resumed["id"] == deployment["id"]
    wait_until(lambda: bench.describe()["runningCount"] == 2)
    wait_until(lambda: "environment" in _try_get(bench))
    assert bench.get()["environment"]["VERSION"] == "3"


def _try_get(bench: Bench) -> dict[str, object]:
    try:
        return bench.get()
    except json.JSONDecodeError:
        return {}


def test_tasks_end_with_a_scheduler_that_is_killed(bench: Bench) -> None:
    program = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from tests.integration.tasks.bench import *
        from sandbox.layout import Layout
        layout = Layout(Path({str(bench.layout.root / "other")!r}))
        Ports(layout.ports).keep_spare()
        scheduler = TaskScheduler(
            layout=layout, folder=Path({str(bench.folder)!r}), variables={{"HOST": "127.0.0.1"}},
            aws=FakeAws().functions(), load_balancer=LoadBalancerControl(layout.root), timings=QUICK,
        )
        scheduler.start()
        scheduler.create_service(spec())
        scheduler.wait_for_deployment(SERVICE, timeout=30)
        print(*[pid_of(task) for task in scheduler.describe_tasks()], flush=True)
        time.sleep(60)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(is_alive, pids))
    process.kill()
    process.communicate()
    if sys.platform != "linux":
        kill_leftover_tasks(bench.layout.root / "other" / "run" / "tasks")
    wait_until(lambda: not any(map(is_alive, pids)))


def test_leftover_tasks_are_killed_but_strangers_with_their_ids_are_not(bench: Bench) -> None:
    bench.deploy(spec())
    pids = bench.pids()
    run_dir = bench.layout.run / "tasks"
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        (run_dir / "stranger.json").write_text(json.dumps({"pid": stranger.pid, "started": "long ago"}))
        (run_dir / "cut-short.json").write_text('{"pid": 1')
        kill_leftover_tasks(run_dir)
        wait_until(lambda: not set(pids) & set(bench.pids()))
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_new_load_balancer_serves_what_the_old_one_did(bench: Bench) -> None:
    bench.deploy(spec())
    identity = bench.balancer.identity()
    assert identity is not None
    identity.signal(signal.SIGKILL)
    wait_until(lambda: bench.balancer.identity() is None)
    assert served_version(bench.layout) is None
    # The scheduler goes on without it.
    bench.deploy(spec(2))
    bench.start_load_balancer()
    assert bench.get()["environment"]["VERSION"] == "2"
    with bench.load() as load:
        bench.deploy(spec(3))
    assert load.failures == []


def test_a_single_task_runs_to_its_end(bench: Bench) -> None:
    container = {"name": "web", "image": "web", "command": ["python", "-c", "raise SystemExit(7)"]}
    task = bench.scheduler.run_task(cluster_arn=CLUSTER, task_definition=task_definition(1, container))
    assert task["group"] == "family:web"
    wait_until(lambda: bench.tasks("STOPPED"))
    (stopped,) = bench.tasks()
    assert stopped["containers"][0]["exitCode"] == 7
    assert stopped["stoppedReason"] == "Essential container in task exited"


def test_a_single_task_obeys_its_overrides(bench: Bench) -> None:
    container = {"name": "web", "image": "web", "environment": [{"name": "WHO", "value": "nobody"}]}
    override = {
        "name": "web",
        "command": ["python", "-c", "import os; print('I am', os.environ['WHO'])"],
        "environment": [{"name": "WHO", "value": "a migration"}],
    }
    task = bench.scheduler.run_task(
        cluster_arn=CLUSTER,
        task_definition=task_definition(1, container),
        overrides={"containerOverrides": [override]},
    )
    wait_until(lambda: bench.tasks("STOPPED"))
    log = bench.layout.task_logs / f"{task['taskArn'].rpartition('/')[2]}.log"
    assert log.read_text() == "I am a migration\n"


def test_wrong_names_are_refused_with_a_message(bench: Bench) -> None:
    with pytest.raises(TaskError, match=f"there is no service {SERVICE}"):
        bench.scheduler.update_service(spec())
    with pytest.raises(TaskError, match="there is no task arn:x"):
        bench.scheduler.stop_task("arn:x", "because")
    bench.deploy(spec())
    with pytest.raises(TaskError, match="the service web exists already"):
        bench.scheduler.create_service(spec())
