"""What a person sees of the deployed platform, and that it goes on serving while things break or change."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import psutil
import pytest
from botocore.exceptions import BotoCoreError

from sandbox.layout import Layout
from sandbox.processes import ProcessIdentity
from tests.integration.platform.conftest import DeployedPlatform, context
from tests.plain_http import NO_TLS
from tools.bench.load import load

PASSWORD = "correct horse battery staple"


def eventually(condition: Callable[[], bool], *, seconds: float = 180) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


@contextmanager
def client_of(platform: DeployedPlatform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{platform.url}/api/v1", timeout=15, verify=NO_TLS) as client:
        yield client


def runs(process: psutil.Process) -> bool:
    """Return whether a process does anything; one that no one has collected yet does not."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def healthy_tasks(platform: DeployedPlatform) -> list[dict[str, str]]:
    tasks: list[dict[str, str]] = platform.status()["tasks"]["items"]
    return [task for task in tasks if task["status"] == "RUNNING" and task["health"] == "HEALTHY"]


def test_every_stack_is_deployed_and_the_service_runs_as_asked(platform: DeployedPlatform) -> None:
    status = platform.status()
    stacks = {stack["layer"]: stack["status"].split("_")[-1] for stack in status["stacks"]["items"]}
    assert stacks == dict.fromkeys(
        ("state", "network", "data", "compute", "security", "observability"), "COMPLETE"
    )
    assert (status["deployment"]["running"], status["deployment"]["desired"]) == (2, 2)
    assert len(healthy_tasks(platform)) == 2
    assert (status["verdict"], status["reasons"]) == ("healthy", [])


def test_database_roles_were_made_by_the_deployed_function(platform: DeployedPlatform) -> None:
    database = platform.health().json()["database"]
    # The fixture has rotated once: the second of the two is in use.
    assert (database["session_user"], database["current_user"]) == ("app_b", "app_owner")


def test_check_after_the_deployment_finds_nothing_wrong(platform: DeployedPlatform) -> None:
    outcomes = checked(platform, "post-deploy")
    assert set(outcomes.values()) <= {"ok", "unknown"}
    # Nothing here publishes metrics: they are no reason to call anything well.
    assert {name for name, outcome in outcomes.items() if outcome == "unknown"} == {
        "errors",
        "latency p99",
        "CPU of the tasks",
        "alarms",
    }


@pytest.mark.long
def test_check_before_the_next_deployment_finds_what_a_cheap_environment_lacks(
    platform: DeployedPlatform,
) -> None:
    outcomes = checked(platform, "pre-deploy")
    # It has no HTTPS and no backups; its image is none of ECR's, and the embedded AWS has no quotas.
    assert {name: outcome for name, outcome in outcomes.items() if outcome != "ok"} == {
        "security scans": "failed",
        "image": "unknown",
        "Fargate vCPU": "unknown",
    }


def checked(platform: DeployedPlatform, checklist: str) -> dict[str, str]:
    """Return the outcome of each check by its name."""
    result = platform.gantry("check", checklist, "--json", *context())
    document = json.loads(result.stdout)
    assert result.returncode == (0 if document["outcome"] == "ok" else 1), result.stderr
    return {each["name"]: each["outcome"] for line in document["lines"] for each in line["results"]}


def test_a_person_signs_up_and_keeps_tasks(platform: DeployedPlatform) -> None:
    credentials = {"email": "ada@example.com", "password": PASSWORD}
    with client_of(platform) as ada:
        assert ada.post("/sign-up", json=credentials).status_code == 201
        project = ada.post("/projects", json={"name": "Engine"}).json()
        for title in ("cards", "mill", "store"):
            assert ada.post(f"/projects/{project['id']}/tasks", json={"title": title}).status_code == 201
        ada.post("/sign-out")
        assert ada.get("/projects").status_code == 401
        assert ada.post("/sign-in", json=credentials).status_code == 200
        tasks = ada.get(f"/projects/{project['id']}/tasks").json()["items"]
        assert [task["title"] for task in tasks] == ["cards", "mill", "store"]


def test_logs_of_tasks_functions_and_database_are_one_stream(platform: DeployedPlatform) -> None:
    sources = ["service", "rotation-database", "database"]
    result = platform.gantry("logs", *sources, "--since", "1h", "--json")
    assert result.returncode == 0, result.stderr
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert {event["source"] for event in events} == set(sources)
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    result = platform.gantry("logs", "rotation-database", "--since", "1h", "--grep", "is the current one")
    assert result.returncode == 0, result.stderr
    assert [line for line in result.stdout.splitlines() if '"step":"finishSecret"' in line]


def test_rotation_and_its_new_tasks_are_on_one_timeline(platform: DeployedPlatform) -> None:
    result = platform.gantry("events", "--since", "1h", "--json")
    assert result.returncode == 0, result.stderr
    timeline = json.loads(result.stdout)
    assert timeline["unknown"] == {}
    texts = [f"{event['kind']} {event['subject']} {event['text']}" for event in timeline["events"]]
    for expected in (
        "deployment gantry-sandbox-compute CREATE_COMPLETE",
        "scaling gantry-sandbox Setting desired count to 2: minimum capacity was set to 2",
        "rotation database finishSecret: the version is the current one",
        "task gantry-sandbox has started",
        "rotation database nothing else logs in",
    ):
        assert any(text.startswith(expected) for text in texts), expected
    assert timeline["events"] == sorted(timeline["events"], key=lambda event: event["time"])


def test_deployed_platform_has_no_differences(platform: DeployedPlatform) -> None:
    result = platform.gantry("cdk", "diff", "--fail", *context())
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Number of stacks with differences: 0" in result.stdout + result.stderr


@pytest.mark.long
def test_a_setting_shows_up_as_a_difference(platform: DeployedPlatform) -> None:
    result = platform.gantry("cdk", "diff", "--fail", *context(ecs__min_capacity="3"))
    assert result.returncode == 1
    assert "Number of stacks with differences: 1" in result.stdout + result.stderr


def first_of_a_task(platform: DeployedPlatform) -> psutil.Process:
    """Return the process that a runtime sends signals to; its workers have the same command line."""
    processes = platform.processes("-m taskboard")
    return next(each for each in processes if each.ppid() not in {other.pid for other in processes})


@pytest.mark.parametrize(
    "how", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.long)], ids=["SIGTERM", "SIGKILL"]
)
def test_killing_a_task_fails_no_request(platform: DeployedPlatform, how: signal.Signals) -> None:
    before = {task["task"] for task in healthy_tasks(platform)}
    # No load balancer may repeat a write that a killed process had begun: the load of SIGKILL only reads.
    with load(platform.url, writes=how is signal.SIGTERM) as report:
        time.sleep(1)
        first_of_a_task(platform).send_signal(how)
        replaced = eventually(
            lambda: len(now := {task["task"] for task in healthy_tasks(platform)}) == 2 and now != before
        )
        time.sleep(1)
    assert replaced
    assert report.failures == []
    assert report.total > 100


def test_stopped_database_is_named_and_comes_back_by_itself(platform: DeployedPlatform) -> None:
    # Frozen rather than ended: connections stay open and nothing answers, the hardest way to be away.
    servers = platform.processes("postgres")
    for server in servers:
        server.suspend()
    try:
        assert eventually(lambda: platform.health().status_code == 503)
        answer = platform.health()
        assert answer.json()["failed"] == ["database"]
        assert httpx.get(f"{platform.url}/healthz", verify=NO_TLS).status_code == 200
    finally:
        for server in servers:
            server.resume()
    # Several in a row, because each task finds the way back for itself.
    assert eventually(lambda: all(platform.health().status_code == 200 for _ in range(6)))


@pytest.mark.long
def test_changed_task_definition_rolls_without_a_failed_request(platform: DeployedPlatform) -> None:
    before = {task["task"] for task in healthy_tasks(platform)}
    with load(platform.url) as report:
        result = platform.deploy(ecs__environment__FEATURE="on")
    assert result.returncode == 0, result.stdout + result.stderr
    assert {task["task"] for task in healthy_tasks(platform)}.isdisjoint(before)
    assert report.failures == []
    assert report.total > 100


@pytest.mark.long
def test_deployment_that_never_gets_healthy_is_rolled_back_while_the_old_one_serves(
    platform: DeployedPlatform,
) -> None:
    with load(platform.url) as report:
        # A limit that is no number stops the container at its start.
        result = platform.deploy(ecs__environment__RATE_LIMIT_PER_MINUTE="none")
    assert result.returncode != 0
    assert report.failures == []
    assert len(healthy_tasks(platform)) == 2
    stacks = {stack["layer"]: stack["status"] for stack in platform.status()["stacks"]["items"]}
    assert stacks["compute"] == "UPDATE_ROLLBACK_COMPLETE"


@pytest.mark.long
def test_every_part_that_is_killed_comes_back_by_itself_with_what_was_written(
    platform: DeployedPlatform,
) -> None:
    layout = Layout(platform.state_dir)
    files = [
        *(layout.run / f"{part}.json" for part in ("server", "load_balancer")),
        *layout.databases.glob("*.process.json"),
        *layout.caches.glob("*/process.json"),
    ]
    assert len(files) == 4
    killed = {file: ProcessIdentity.load(file) for file in files}
    with client_of(platform) as edsger:
        credentials = {"email": "edsger@example.com", "password": PASSWORD}
        edsger.post("/sign-up", json=credentials).raise_for_status()
        for identity in killed.values():
            assert identity is not None
            identity.signal(signal.SIGKILL)
        assert eventually(lambda: all(ProcessIdentity.load(file) != killed[file] for file in files))
        assert eventually(lambda: answers(platform) and len(healthy_tasks(platform)) == 2)
        assert edsger.get("/account").json()["email"] == "edsger@example.com"
    assert "servers" not in platform.status()


def answers(platform: DeployedPlatform) -> bool:
    with suppress(httpx.TransportError, BotoCoreError, IndexError):  # nor AWS, nor a healthy task
        return platform.health().status_code == 200
    return False


@pytest.mark.long
def test_down_and_up_keep_everything(platform: DeployedPlatform) -> None:
    credentials = {"email": "grace@example.com", "password": PASSWORD}
    with client_of(platform) as grace:
        grace.post("/sign-up", json=credentials).raise_for_status()
        processes = platform.processes()
        assert platform.gantry("down").returncode == 0
        assert not [process for process in processes if runs(process)]
        result = platform.gantry("up", "--detach", *context())
        assert result.returncode == 0, result.stderr
        assert result.stdout.strip() == platform.url
        # Her session is in Valkey, her account in PostgreSQL, the keys in Secrets Manager.
        assert grace.get("/account").json()["email"] == "grace@example.com"


@pytest.mark.long
def test_up_recovers_from_a_crash_of_every_process(platform: DeployedPlatform) -> None:
    processes = platform.processes()
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # some end with the one that started them
            process.kill()
    psutil.wait_procs(processes, timeout=10)
    result = platform.gantry("up", "--detach", *context())
    assert result.returncode == 0, result.stderr
    assert platform.health().status_code == 200
    assert len(healthy_tasks(platform)) == 2
