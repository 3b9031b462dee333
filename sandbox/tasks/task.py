"""A task: one process, from its first state to its last."""

import asyncio
import contextlib
import datetime
import functools
import signal
from typing import Any, Protocol

from sandbox.load_balancer.config import TargetState
from sandbox.processes import ProcessIdentity, bound_command, kill_group
from sandbox.tasks.definition import TaskError
from sandbox.tasks.health import Health, HealthChecks
from sandbox.tasks.host import Host, make_volumes, remove_volumes, resolve
from sandbox.tasks.image import Image
from sandbox.tasks.logs import TaskLog
from sandbox.tasks.record import Status, StopCode, TaskRecord
from sandbox.tasks.registration import Registration
from sandbox.tasks.shapes import now, task_state_change
from sandbox.tasks.specification import TargetGroup

_LOG_TIMEOUT = 5.0  # seconds: something that left the process group may keep the pipe open permanently


class Observer(Protocol):
    """What wants to know about a task."""

    def task_entered(self, task: "Task") -> None:
        """Take note that a task is in another state of its life."""

    def task_changed(self, task: "Task") -> None:
        """Take note that a task's health is another, or that it is to stop."""


class Task:
    """Runs a task.

    Parameters
    ----------
    record
        The task, PROVISIONING.
    host
        Where it runs.
    checks
        How its health is watched; None for a task that is expected to end.
    target_group
        Where it is registered while it runs.
    observer
        Called with each change of its state.

    Attributes
    ----------
    healthy_since
        When it became healthy, by the event loop's clock; None while it is not.
    was_healthy
        Whether it ever was.
    judged
        Whether its service has drawn its conclusions from its failure.
    """

    def __init__(
        self,
        record: TaskRecord,
        host: Host,
        *,
        checks: HealthChecks | None = None,
        target_group: TargetGroup | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.record = record
        self.healthy_since: float | None = None
        self.was_healthy = False
        self.judged = False
        self._host = host
        self._checks = checks
        self._target_group = target_group
        self._observer = observer
        self._registration: Registration | None = None
        self._stop = asyncio.Event()
        self._pid_file = host.run_dir / f"{record.id}.json"
        self._put_event()
        self._life = asyncio.create_task(self._live(), name=f"task {record.id}")

    @property
    def wanted(self) -> bool:
        """Whether it is meant to run: no one stopped it and it did not stop by itself."""
        return self.record.desired_status is Status.RUNNING

    @property
    def stopped(self) -> bool:
        """Whether its life is over."""
        return self.record.status is Status.STOPPED

    @property
    def is_history(self) -> bool:
        """Whether it stopped so long ago that it cannot be described any more."""
        retention = datetime.timedelta(seconds=self._host.timings.stopped_task_retention)
        return self.record.stopped_at is not None and now() - self.record.stopped_at > retention

    @property
    def healthy(self) -> bool:
        """Whether it runs, is meant to, and passes its health checks."""
        return self.wanted and self.record.health is Health.HEALTHY

    @property
    def unhealthy(self) -> bool:
        """Whether it fails its health checks."""
        return self.record.health is Health.UNHEALTHY

    def stop(self, reason: str, code: StopCode) -> None:
        """Have it stopped in an orderly way; no effect when it is stopping already."""
        if not self.wanted:
            return
        self._will_stop(reason, code)
        self._put_event()
        self._stop.set()
        if self._observer is not None:
            self._observer.task_changed(self)

    def kill(self) -> None:
        """End its process at once."""
        if self.record.pid is not None and self.record.exit_code is None:
            kill_group(self.record.pid)

    async def ended(self) -> None:
        """Wait until its life is over."""
        await asyncio.wait({self._life})

    async def _live(self) -> None:
        try:
            process, log = await self._start()
        except (TaskError, OSError) as error:
            self._will_stop(f"ResourceInitializationError: {error}", StopCode.FAILED_TO_START)
        else:
            await self._supervise(process)
            await asyncio.wait({log}, timeout=_LOG_TIMEOUT)
        finally:
            # Whatever went wrong, no process is left and no one waits for this task without end.
            self.kill()
            self._pid_file.unlink(missing_ok=True)
            remove_volumes(self._host.run_dir, self.record.id)
            if self.record.port is not None:
                self._host.ports.give_back(self.record.port)
            self._will_stop("internal error of the sandbox", StopCode.FAILED_TO_START)
            self.record.stopped_at = now()
            self._enter(Status.STOPPED)

    async def _start(self) -> tuple[asyncio.subprocess.Process, asyncio.Task[None]]:
        record, host = self.record, self._host
        record.pull_started_at = now()
        self._enter(Status.PENDING)
        image = Image.read(host.folder, make_volumes(host.run_dir, record.id, record.container))
        secrets = await resolve(record.container.secrets, host.aws)
        record.port = host.ports.take()
        record.pull_stopped_at = now()
        self._enter(Status.ACTIVATING)
        override = self._override()
        command = image.process(
            entry_point=record.container.entry_point,
            command=tuple(override.get("command") or record.container.command),
        )
        process = await asyncio.create_subprocess_exec(
            *bound_command(list(command)),
            cwd=host.folder,
            env=self._environment(image, secrets, override) | {"PORT": str(record.port)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        record.pid = process.pid
        identity = ProcessIdentity.of(process.pid)
        if identity is not None:
            identity.save(self._pid_file)
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        log = asyncio.create_task(self._log().copy(process.stdout))
        if self._target_group is not None:
            self._registration = self._register(self._target_group, record.port)
        record.started_at = now()
        self._enter(Status.RUNNING)
        return process, log

    async def _supervise(self, process: asyncio.subprocess.Process) -> None:
        record = self.record
        ended = asyncio.create_task(process.wait())
        asked_to_stop = asyncio.create_task(self._stop.wait())
        health = asyncio.create_task(self._watch_health())
        await asyncio.wait({ended, asked_to_stop}, return_when=asyncio.FIRST_COMPLETED)
        health.cancel()
        asked_to_stop.cancel()
        if not self._stop.is_set():
            self._will_stop("Essential container in task exited", StopCode.CONTAINER_EXITED)
        await self._shut_down(process, ended)
        record.exit_code = _exit_code(await ended)
        record.execution_stopped_at = now()
        # A container takes everything that it started with it.
        kill_group(process.pid)
        self._enter(Status.DEPROVISIONING)

    async def _shut_down(self, process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
        self._enter(Status.DEACTIVATING)
        if self._registration is not None:
            if not ended.done():
                await self._registration.drain()
            await self._registration.remove()
        self._enter(Status.STOPPING)
        if not ended.done():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            await asyncio.wait({ended}, timeout=self.record.container.stop_timeout)
        if not ended.done():
            kill_group(process.pid)

    async def _watch_health(self) -> None:
        if self._checks is None or self.record.port is None:
            return
        if self._registration is not None:
            await self._registration.set_state(TargetState.INITIAL)
        async for health in self._checks.watch(self.record.port):
            if self._registration is not None:
                good = health is Health.HEALTHY
                await self._registration.set_state(TargetState.HEALTHY if good else TargetState.UNHEALTHY)
            self.record.health = health
            self.healthy_since = asyncio.get_running_loop().time() if health is Health.HEALTHY else None
            self.was_healthy = self.was_healthy or health is Health.HEALTHY
            if self._observer is not None:
                self._observer.task_changed(self)

    def _will_stop(self, reason: str, code: StopCode) -> None:
        record = self.record
        if record.desired_status is Status.STOPPED:
            return
        record.desired_status = Status.STOPPED
        record.version += 1
        record.stop_code, record.stopped_reason, record.stopping_at = code, reason, now()

    def _enter(self, status: Status) -> None:
        self.record.status = status
        self.record.version += 1
        self._put_event()
        if self._observer is not None:
            self._observer.task_entered(self)

    def _put_event(self) -> None:
        self._host.aws.put_event(task_state_change(self.record.describe()))

    def _register(self, group: TargetGroup, port: int) -> Registration:
        delay = min(group.deregistration_delay, self._host.timings.deregistration_delay)
        return Registration(self._host.load_balancer, group.arn, port=port, deregistration_delay=delay)

    def _override(self) -> dict[str, Any]:
        overrides = self.record.overrides.get("containerOverrides") or ()
        return next((each for each in overrides if each.get("name") == self.record.container.name), {})

    def _environment(self, image: Image, secrets: dict[str, str], override: dict[str, Any]) -> dict[str, str]:
        overridden = {pair["name"]: pair["value"] for pair in override.get("environment") or ()}
        return {
            "HOME": str(self._host.home),
            "LANG": "C.UTF-8",
            **image.variables(),
            **self.record.container.environment,
            **overridden,
            **secrets,
            **self._host.variables,
        }

    def _log(self) -> TaskLog:
        record, destination = self.record, self.record.container.logs
        deliver = None
        if destination is not None:
            stream = f"{destination.stream_prefix}/{record.container.name}/{record.id}"
            deliver = functools.partial(self._host.aws.put_log_events, destination.group, stream)
        path = self._host.log_dir / f"{record.id}.log"
        return TaskLog(path, deliver=deliver, interval=self._host.timings.log_interval)


def _exit_code(return_code: int) -> int:
    """Return the exit code as a container runtime has it: 128 and the number of the signal that ended it."""
    return return_code if return_code >= 0 else 128 - return_code
