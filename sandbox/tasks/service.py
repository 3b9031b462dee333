"""A service: keeps as many tasks running as it should have."""

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.tasks.deployment import Deployment, ServiceStatus
from sandbox.tasks.host import Host
from sandbox.tasks.record import Status, StopCode
from sandbox.tasks.rolling import Bounds, Plan, plan
from sandbox.tasks.rollout import Rollout
from sandbox.tasks.service_log import ServiceLog
from sandbox.tasks.specification import ServiceSpec
from sandbox.tasks.task import Task
from sandbox.tasks.task_set import TaskSet
from sandbox.tasks.timings import Backoff
from sandbox.tasks.traffic import Stage
from sandbox.tasks.traffic_control import TrafficControl

_PENDING = frozenset({Status.PROVISIONING, Status.PENDING, Status.ACTIVATING})
_FAILED_BY_ITSELF = frozenset({StopCode.FAILED_TO_START, StopCode.CONTAINER_EXITED})
_IMPAIRED_AFTER = 3  # failures in a row


class Service:
    """Brings the tasks of a service in line with its specification, step by step, after every change.

    Everything happens in the event loop's thread.

    Parameters
    ----------
    spec
        What the service should look like.
    host
        Where its tasks run.
    changed
        Called after every change of what `to_document` returns.
    document
        What `to_document` returned when the service ran before.
    """

    def __init__(
        self,
        spec: ServiceSpec,
        host: Host,
        *,
        changed: Callable[[], None],
        document: Mapping[str, Any] | None = None,
    ) -> None:
        self.spec = spec
        self.status = ServiceStatus.ACTIVE
        self.tasks = TaskSet()
        self._log = ServiceLog(spec.name)
        self._rollout = Rollout(spec, self._log, host.aws.put_event, document)
        self._host = host
        self._changed = changed
        self._backoff = Backoff(host.timings)
        self._traffic = TrafficControl(host)
        self._begin_shift(shifts=False)
        self._wake = asyncio.Event()
        self._any_change = asyncio.Event()
        self._steady = False
        self._paused = False

    async def run(self) -> None:
        """Keep the service as it should be until it is deleted."""
        while self.status is not ServiceStatus.INACTIVE:
            self._wake.clear()
            pause = self._reconcile()
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def update(self, spec: ServiceSpec, *, force_new_deployment: bool = False) -> Deployment:
        """Change the service; return the deployment that brings the change about."""
        replaces = force_new_deployment or spec.needs_deployment(self.spec)
        self.spec = spec
        if replaces:
            self._rollout.deploy(spec)
            self._begin_shift(shifts=self._rollout.last_completed is not None)
        self._backoff.reset()
        self._steady = False
        self._has_changed()
        return self._rollout.primary

    def stop_deployment(self) -> None:
        """Roll back the deployment that is in progress.

        Raises
        ------
        TaskError
            When there is none, or none before it.
        """
        self._rollout.stop()
        self._follow_rollback()
        self._has_changed()

    def delete(self) -> None:
        """Have all tasks stopped; the service is gone when `run` returns."""
        self.status = ServiceStatus.DRAINING
        self.spec = dataclasses.replace(self.spec, desired_count=0)
        self._has_changed()

    def pause(self) -> None:
        """Start and stop no tasks any more, whatever happens to them."""
        self._paused = True

    @property
    def primary(self) -> Deployment:
        """The deployment that is, or is to be, the service's."""
        return self._rollout.primary

    @property
    def is_ending(self) -> bool:
        """Whether it was deleted."""
        return self.status is not ServiceStatus.ACTIVE

    async def rolled_out(self, deployment_id: str | None) -> dict[str, Any] | None:
        """Wait while a deployment, the primary one by default, is being rolled out.

        Returns
        -------
        dict or None
            The deployment, COMPLETED or FAILED; None when another one took its place, or the service is
            being deleted.
        """
        deployment = self._rollout.find(deployment_id or self._rollout.primary.id)
        while deployment is self._rollout.primary and deployment.in_progress and not self.is_ending:
            await self._any_change.wait()
        if deployment is None or deployment.in_progress:
            return None
        return self._describe_deployment(deployment)

    def task_entered(self, task: Task) -> None:
        """Take note that a task is in another state of its life."""
        self._log.task_entered(task, self.spec)
        self._wake.set()

    def task_changed(self, task: Task) -> None:
        """Take note that a task's health is another, or that it is to stop."""
        if task.healthy:
            self._rollout.task_is_healthy(task.record.started_by, self.spec)
        self._wake.set()

    def describe(self) -> dict[str, Any]:
        """Return what ECS's description of the service says about its deployments and tasks."""
        return {
            "status": str(self.status),
            "taskDefinition": self._rollout.primary.task_definition.arn,
            "desiredCount": self.spec.desired_count,
            "runningCount": self.tasks.count({Status.RUNNING}),
            "pendingCount": self.tasks.count(_PENDING),
            "deployments": [self._describe_deployment(each) for each in self._rollout.deployments],
            "events": self._log.describe(),
        }

    def to_document(self) -> dict[str, Any]:
        """Return what is needed to make the service again, as JSON takes it."""
        definition = self._rollout.primary.task_definition.document
        return {
            "source": {**self.spec.source, "task_definition": definition},
            **self._rollout.to_document(),
        }

    def _reconcile(self) -> float | None:
        """Do the next step; return in how many seconds another one is due even if nothing changes."""
        if self._paused:
            return None
        self._judge_tasks()
        self._check_alarms()
        shift_due = self._move_traffic()
        pause = self._backoff.not_before - asyncio.get_running_loop().time()
        step = self._plan(may_start=self._rollout.may_start_tasks and pause <= 0)
        self._stop(step.stop)
        self._start(step.start)
        if step.stuck:
            self._log.add_once(
                "was unable to stop or start tasks during a deployment because of the service deployment "
                "configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
            )
        self._check_progress()
        self.tasks.forget_history()
        return min((each for each in (pause, shift_due) if each and each > 0), default=None)

    def _begin_shift(self, *, shifts: bool) -> None:
        self._traffic.begin(self.spec, self._rollout.primary, shifts=shifts)

    def _move_traffic(self) -> float | None:
        ready = sum(task.healthy for task in self.tasks.wanted(self._rollout.primary))
        if self._traffic.move(self.spec, self._rollout.primary, ready=ready):
            self._has_changed()
        return self._traffic.due()

    def _check_alarms(self) -> None:
        new = self._traffic.alarms(self.spec) if self._rollout.primary.in_progress else ()
        if new and self._rollout.alarm(min(new)):
            self._follow_rollback()
            self._has_changed()

    def _plan(self, *, may_start: bool) -> Plan[Task]:
        primary = self._rollout.primary
        older = self.tasks.wanted_by_others(primary)
        serving = self._rollout.last_completed
        if not self._traffic.is_over and serving is not None:
            # They serve until the traffic has moved; those of a deployment that was overtaken do not.
            older = [task for task in older if task.record.started_by != serving.id]
        return plan(
            Bounds(
                desired=self.spec.desired_count,
                minimum_healthy=self.spec.minimum_healthy,
                maximum_running=self.spec.maximum_running,
            ),
            current=self.tasks.wanted(primary),
            older=older,
            may_start=may_start,
        )

    def _judge_tasks(self) -> None:
        """Find the tasks that have failed since the last time."""
        for task in self.tasks:
            if task.judged:
                continue
            if task.record.stop_code in _FAILED_BY_ITSELF:
                self._has_failed(task)
            elif task.wanted and task.unhealthy and not task.was_healthy:
                self._stop([task])

    def _has_failed(self, task: Task) -> None:
        task.judged = True
        if task.record.started_by != self._rollout.primary.id:
            return
        self._backoff.failed(asyncio.get_running_loop().time(), healthy_since=task.healthy_since)
        if self._backoff.failures == _IMPAIRED_AFTER:
            self._log.add("is unable to consistently start tasks successfully.")
        before = self._rollout.primary
        self._rollout.task_failed(task.record.started_by, self.spec)
        if self._rollout.primary is not before:
            self._follow_rollback()
        self._has_changed()

    def _follow_rollback(self) -> None:
        self.spec = dataclasses.replace(self.spec, task_definition=self._rollout.primary.task_definition)
        self._backoff.reset()
        self._begin_shift(shifts=False)

    def _stop(self, tasks: Sequence[Task]) -> None:
        group = self.spec.target_group
        for task in tasks:
            if not task.unhealthy:
                reason = f"Scaling activity initiated by (deployment {self._rollout.primary.id})"
                task.stop(reason, StopCode.SCHEDULER)
                continue
            self._log.unhealthy(task, self.spec)
            failed = (
                f"ELB health checks in (target-group {group.arn})" if group else "container health checks"
            )
            task.stop(f"Task failed {failed}", StopCode.SCHEDULER)
            self._has_failed(task)
        self._log.stopped(tasks)

    def _start(self, count: int) -> None:
        primary = self._rollout.primary
        self._log.started([self.tasks.start(self.spec, primary, self._host, self) for _ in range(count)])

    def _check_progress(self) -> None:
        if self.status is ServiceStatus.DRAINING:
            if all(task.stopped for task in self.tasks):
                self.status = ServiceStatus.INACTIVE
                self._wake.set()
            return
        live = [task for task in self.tasks if not task.stopped]
        primary = self._rollout.primary.id
        ready = all(task.healthy and task.record.started_by == primary for task in live)
        steady = ready and len(live) == self.spec.desired_count and self._rollout.may_start_tasks
        if steady and self._rollout.primary.in_progress:
            self._rollout.complete()
            self._has_changed()
        if steady and not self._steady:
            self._log.add("has reached a steady state.")
        self._steady = steady

    def _has_changed(self) -> None:
        self._any_change.set()
        self._any_change = asyncio.Event()
        self._wake.set()
        self._changed()

    def _describe_deployment(self, deployment: Deployment) -> dict[str, Any]:
        leading = deployment is self._rollout.primary and self._rollout.may_start_tasks
        return deployment.describe(
            desired=self.spec.desired_count if leading else len(self.tasks.wanted(deployment)),
            running=self.tasks.count({Status.RUNNING}, deployment),
            pending=self.tasks.count(_PENDING, deployment),
        ) | {"lifecycleStage": str(self._traffic.stage if leading else Stage.CLEAN_UP)}
