"""ECS: one service whose tasks read secrets when they start, and its rolling deployments."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.aws.secrets_manager import Secret
from tests.aws.transport import Answer, AwsError, SimulatedClock

CLUSTER, SERVICE = "gantry", "web"
_PREFIX = "arn:aws:ecs:us-east-1:000000000000"


@dataclass
class Task:
    arn: str
    deployment: str
    created: datetime | None  # None until it is placed
    group: str
    status: str = "PENDING"
    stopped_at: datetime | None = None  # noted at the next look
    # What it read of each secret when it started: it holds on to that until it has stopped.
    read: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def stopped(self) -> bool:
        return self.status == "STOPPED"

    @property
    def wanted(self) -> bool:
        return self.status in {"PENDING", "RUNNING"}


@dataclass
class Deployment:
    id: str
    created: datetime
    updated: datetime
    state: str = "IN_PROGRESS"


class Ecs:
    """The service. Nothing happens by itself: tests let tasks start and stop and deployments end."""

    def __init__(self, secrets: Mapping[str, Secret], clock: SimulatedClock, *, desired: int = 2) -> None:
        self._secrets, self._clock = secrets, clock
        self.desired = desired
        self.tasks: list[Task] = []
        self._numbers = itertools.count(1)
        self._completed: Deployment | None = None
        self.deployments: list[Deployment] = []
        self._deploy()
        self.complete_deployment()

    @property
    def live_tasks(self) -> list[Task]:
        return [task for task in self.tasks if not task.stopped]

    def start_task(self, group: str = f"service:{SERVICE}") -> Task:
        """Start a task of the primary deployment, which reads its secrets some time after it was created."""
        number = next(self._numbers)
        arn = f"{_PREFIX}:task/{CLUSTER}/{number:032d}"
        task = Task(arn, self.deployments[0].id, self._clock.now(), group)
        self.tasks.append(task)
        self._clock.sleep(1)
        task.read = {
            name: dict(secret.document("AWSCURRENT") or {}) for name, secret in self._secrets.items()
        }
        task.status = "RUNNING"
        return task

    def begin_to_stop(self, task: Task) -> None:
        task.status = "DEACTIVATING"

    def finish_stopping(self) -> None:
        for task in self.tasks:
            if task.status == "DEACTIVATING":
                task.status = "STOPPED"

    def advance_deployment(self) -> None:
        """Replace one more task of an earlier deployment; the one that it replaces drains."""
        primary = self.deployments[0]
        old = [task for task in self.tasks if task.wanted and self._is_old(task)]
        if len([task for task in self.tasks if task.wanted and task.deployment == primary.id]) < self.desired:
            self.start_task()
        if old:
            self.begin_to_stop(old[0])

    def complete_deployment(self) -> None:
        """Let the primary deployment replace all tasks of the others."""
        primary = self.deployments[0]
        while (
            len([task for task in self.tasks if task.wanted and task.deployment == primary.id]) < self.desired
        ):
            self.start_task()
        for task in self.tasks:
            if task.wanted and self._is_old(task):
                self.begin_to_stop(task)
        self.finish_stopping()
        primary.state, primary.updated = "COMPLETED", self._clock.now()
        self.deployments, self._completed = [primary], primary

    def fail_deployment(self) -> None:
        """Trip the circuit breaker: the last deployment that was completed is the primary one again."""
        failed = self.deployments[0]
        if failed is self._completed or self._completed is None:
            return
        self.start_task()
        for task in self.tasks:
            if task.deployment == failed.id:
                task.status = "STOPPED"
        self.deployments = [self._completed]
        self.complete_deployment()

    def list_tasks(self, cluster: str, desired_status: str, next_token: str = "0") -> Answer:
        self._require(cluster)
        now = self._clock.now()
        for task in self.tasks:
            task.stopped_at = (task.stopped_at or now) if task.stopped else None
        # Stopped tasks are listed for an hour.
        self.tasks = [task for task in self.tasks if (task.stopped_at or now) >= now - timedelta(hours=1)]
        arns = [task.arn for task in self.tasks if task.wanted is (desired_status == "RUNNING")]
        start, size = int(next_token), 3
        more = {"nextToken": str(start + size)} if start + size < len(arns) else {}
        return {"taskArns": arns[start : start + size], **more}

    def describe_tasks(self, cluster: str, tasks: list[str]) -> Answer:
        self._require(cluster)
        assert 0 < len(tasks) <= 100
        found = [task for task in self.tasks if task.arn in tasks]
        return {
            "tasks": [
                {
                    "taskArn": task.arn,
                    "lastStatus": task.status,
                    "group": task.group,
                    "startedBy": task.deployment,
                    **({"createdAt": task.created} if task.created else {}),
                    **({"stoppedAt": task.stopped_at} if task.stopped_at else {}),
                }
                for task in found
            ],
            "failures": [
                {"arn": arn, "reason": "MISSING"} for arn in tasks if arn not in {task.arn for task in found}
            ],
        }

    def describe_services(self, cluster: str, services: list[str]) -> Answer:
        self._require(cluster)
        if services != [SERVICE]:
            return {"services": [], "failures": [{"arn": services[0], "reason": "MISSING"}]}
        group = f"service:{SERVICE}"
        return {
            "services": [
                {
                    "serviceName": SERVICE,
                    "runningCount": sum(t.status == "RUNNING" and t.group == group for t in self.tasks),
                    "pendingCount": sum(t.status == "PENDING" and t.group == group for t in self.tasks),
                    "deployments": [
                        {
                            "id": each.id,
                            "createdAt": each.created,
                            "updatedAt": each.updated,
                            "rolloutState": each.state,
                        }
                        for each in self.deployments
                    ],
                }
            ]
        }

    def stop_task(self, cluster: str, task: str, reason: str) -> Answer:
        self._require(cluster)
        assert reason
        for each in self.tasks:
            if each.arn == task:
                self.begin_to_stop(each)
        return {}

    def update_service(self, cluster: str, service: str, force_new_deployment: bool) -> Answer:
        self._require(cluster)
        assert service == SERVICE
        assert force_new_deployment
        self._deploy()
        return {"service": {"serviceName": SERVICE}}

    def _deploy(self) -> None:
        now = self._clock.now()
        deployment = Deployment(f"ecs-svc/{next(self._numbers):019d}", now, now)
        self.deployments.insert(0, deployment)

    def _is_old(self, task: Task) -> bool:
        return task.deployment != self.deployments[0].id and task.group == f"service:{SERVICE}"

    @staticmethod
    def _require(cluster: str) -> None:
        if cluster != CLUSTER:
            raise AwsError("ClusterNotFoundException")
