"""A sandbox's load balancer and scheduler without the rest of it."""

import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.environment import clean_environment
from sandbox.layout import Layout
from sandbox.lifecycle import load_balancer
from sandbox.load_balancer.config import Listener
from sandbox.load_balancer.control import LoadBalancerControl, served_version
from sandbox.ports import LOAD_BALANCER_PORTS, Ports
from sandbox.tasks import Aws, LogEvent, ServiceSpec, TaskScheduler, Timings
from sandbox.tls import ensure_authority

ROOT = Path(__file__).parents[3]
CLUSTER = "arn:aws:ecs:us-east-1:000000000000:cluster/gantry"
SERVICE = "arn:aws:ecs:us-east-1:000000000000:service/gantry/web"
TARGET_GROUP = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/web/0123456789abcdef"
ALTERNATE = TARGET_GROUP.replace("web", "alternate")
ALARMS = {"alarmNames": ["errors", "latency"], "enable": True, "rollback": True}
DOCKERFILE = """
FROM python:3.13-slim
ENV FROM_IMAGE=1 CERTIFICATE=/app/certs/bundle.pem
WORKDIR /app
CMD ["python", "service.py"]
"""
QUICK = Timings(
    starting_probe_interval=0.05,
    probe_interval=0.3,
    probe_timeout=2,
    deregistration_delay=5,
    minute=1,
    first_backoff=0.1,
    longest_backoff=1,
    stable_after=1,
    log_interval=0.1,
    shutdown_timeout=3,
)


@dataclass
class FakeAws:
    """Remembers its calls."""

    secrets: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    in_alarm: set[str] = field(default_factory=set)
    logs: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def functions(self) -> Aws:
        """Return the functions that the scheduler calls."""
        return Aws(
            secret_value=self.secrets.__getitem__,
            put_event=self.events.append,
            put_log_events=self._put_logs,
            alarms=lambda _, names: frozenset(self.in_alarm & set(names)),
        )

    def deployment_events(self) -> list[str]:
        """Return the names of the deployment events, in order."""
        return [
            event["detail"]["eventName"]
            for event in self.events
            if event["detail-type"] == "ECS Deployment State Change"
        ]

    def _put_logs(self, group: str, stream: str, events: Sequence[LogEvent]) -> None:
        self.logs.setdefault((group, stream), []).extend(event.message for event in events)


class Bench:
    """A load balancer process, a scheduler in this process, and one listener in front of one service."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root / "state")
        self.folder = root / "service"
        (self.folder / ".venv" / "bin").mkdir(parents=True)
        (self.folder / ".venv" / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
        (self.folder / "Dockerfile").write_text(DOCKERFILE)
        source = Path(__file__).with_name("fake_service.py").read_text()
        (self.folder / "service.py").write_text(source)
        self.aws = FakeAws()
        self.ports = Ports(self.layout.ports)
        self.ports.keep_spare()
        self.port = self.ports.get(f"{LOAD_BALANCER_PORTS}web")
        ensure_authority(self.layout.tls)
        self.scheduler = self.new_scheduler()
        self.start_load_balancer()
        self.load_balancer.put_listener(Listener(port=self.port, forward={TARGET_GROUP: 100, ALTERNATE: 0}))
        self.scheduler.start()

    def new_scheduler(self) -> TaskScheduler:
        """Return a scheduler as a new process of the control plane would make it."""
        self.load_balancer = LoadBalancerControl(self.layout.root)
        return TaskScheduler(
            layout=self.layout,
            folder=self.folder,
            variables={"HOST": "127.0.0.1", "SSL_CERT_FILE": "/ca.pem"},
            aws=self.aws.functions(),
            load_balancer=self.load_balancer,
            timings=QUICK,
        )

    def start_load_balancer(self) -> None:
        """Start the load balancer and wait until it takes orders."""
        for folder in (self.layout.run, self.layout.logs):
            folder.mkdir(exist_ok=True)
        self.balancer = load_balancer(self.layout, self.ports)
        self.balancer.start(clean_environment())
        wait_until(lambda: served_version(self.layout) is not None)

    def close(self) -> None:
        """Stop everything."""
        try:
            self.scheduler.stop()
        finally:
            self.balancer.end()

    def tasks(self, status: str | None = None) -> list[dict[str, Any]]:
        """Return the tasks, or those in one state."""
        return [each for each in self.scheduler.describe_tasks() if status in (None, each["lastStatus"])]

    def pids(self) -> list[int]:
        """Return the ids of the processes of the running tasks."""
        return [pid_of(task) for task in self.tasks("RUNNING")]

    def describe(self) -> dict[str, Any]:
        """Return the service's description."""
        description = self.scheduler.describe_service(SERVICE)
        assert description is not None
        return description

    def messages(self) -> list[str]:
        """Return the service's messages, oldest first."""
        return [event["message"] for event in reversed(self.describe()["events"])]

    def deploy(self, spec: ServiceSpec, *, force: bool = False) -> dict[str, Any] | None:
        """Create or update the service and wait for the outcome."""
        if SERVICE in self.scheduler.service_arns():
            deployment = self.scheduler.update_service(spec, force_new_deployment=force)
        else:
            deployment = self.scheduler.create_service(spec)
        return self.scheduler.wait_for_deployment(SERVICE, deployment, timeout=60)

    def get(self, path: str = "/") -> dict[str, Any]:
        """Ask the service through the load balancer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()

    @contextmanager
    def load(self, method: str = "GET", path: str = "/", clients: int = 4) -> Iterator["Load"]:
        """Ask the service all the time."""
        load = Load(self.port, method, path, clients)
        try:
            yield load
        finally:
            load.stop()


class Load:
    """Clients that send request after request on connections that they keep."""

    def __init__(self, port: int, method: str, path: str, clients: int) -> None:
        self.answered = 0
        self.versions: set[str] = set()
        self.failures: list[str] = []
        self._stopping = threading.Event()
        arguments = (port, method, path)
        self._threads = [threading.Thread(target=self._run, args=arguments) for _ in range(clients)]
        for thread in self._threads:
            thread.start()
        wait_until(lambda: self.answered > 2 * clients)

    def stop(self) -> None:
        """Stop the clients."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, port: int, method: str, path: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while not self._stopping.wait(0.005):
            try:
                connection.request(method, path, body=b"{}" if method == "POST" else None)
                response = connection.getresponse()
                body = response.read()
                if response.status != 200:
                    self.failures.append(f"{response.status} {body!r}")
                else:
                    self.versions.add(json.loads(body)["environment"]["VERSION"])
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            self.answered += 1
        connection.close()


def spec(
    version: int = 1,
    *,
    desired: int = 2,
    behaviour: str = "healthy",
    breaker: bool = True,
    stop_timeout: int = 5,
    maximum: int = 200,
    minimum: int = 100,
    secrets: dict[str, str] | None = None,
    shift: dict[str, Any] | None = None,
) -> ServiceSpec:
    """Return the specification of the service in the documents of the AWS APIs."""
    container = {
        "name": "web",
        "image": f"registry.example/web:{version}",
        "essential": True,
        "portMappings": [{"containerPort": 8080}],
        "stopTimeout": stop_timeout,
        "mountPoints": [{"sourceVolume": "writable-0", "containerPath": "/tmp", "readOnly": False}],
        "environment": [
            {"name": "VERSION", "value": str(version)},
            {"name": "BEHAVIOUR", "value": behaviour},
        ],
        "secrets": [{"name": name, "valueFrom": source} for name, source in (secrets or {}).items()],
        "healthCheck": {"command": ["CMD", "true"], "interval": 5, "startPeriod": 1},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": "/gantry/web", "awslogs-stream-prefix": "web"},
        },
    }
    return ServiceSpec.from_api(
        service={
            "serviceArn": SERVICE,
            "serviceName": "web",
            "clusterArn": CLUSTER,
            "desiredCount": desired,
            "healthCheckGracePeriodSeconds": 3,
            "loadBalancers": [
                {"targetGroupArn": TARGET_GROUP, "containerName": "web", "containerPort": 8080}
            ],
            "deploymentConfiguration": {
                "minimumHealthyPercent": minimum,
                "maximumPercent": maximum,
                "deploymentCircuitBreaker": {"enable": breaker, "rollback": breaker},
                **({"alarms": ALARMS, **shift} if shift else {}),
            },
        },
        task_definition=task_definition(version, container),
        target_group={"TargetGroupArn": TARGET_GROUP, "HealthCheckPath": "/healthz"},
        alternate={"TargetGroupArn": ALTERNATE, "HealthCheckPath": "/healthz"} if shift else None,
    )


def task_definition(revision: int, container: dict[str, Any]) -> dict[str, Any]:
    """Return a task definition in the shape of the ECS API."""
    return {
        "taskDefinitionArn": f"arn:aws:ecs:us-east-1:000000000000:task-definition/web:{revision}",
        "family": "web",
        "revision": revision,
        "containerDefinitions": [container],
        "cpu": "256",
        "memory": "512",
    }


def pid_of(task: dict[str, Any]) -> int:
    """Return the id of a task's process."""
    return int(task["containers"][0]["runtimeId"].rpartition("-")[2])


def is_alive(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], Any], *, seconds: float = 30) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
