"""What tasks get from the machine and from the emulated AWS."""

import asyncio
import dataclasses
import logging
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.load_balancer.control import LoadBalancerControl
from sandbox.ports import first_free
from sandbox.processes import ProcessIdentity
from sandbox.tasks.definition import ContainerDefinition, TaskError
from sandbox.tasks.logs import LogEvent
from sandbox.tasks.shapes import Event
from sandbox.tasks.timings import Timings

# Above the ports that are kept for servers, below those that Linux gives to outgoing connections.
_PORTS = range(32000, 32768)
_VOLUMES = ".volumes"

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Aws:
    """What the scheduler asks of the emulated AWS; the functions may block and are called from other threads.

    Attributes
    ----------
    secret_value
        Returns the AWSCURRENT value of a secret, given a container secret's `valueFrom`.
    put_event
        Puts an event, in the form in which EventBridge delivers it, on the default event bus. Events come
        in the order in which things happened.
    put_log_events
        Appends events to a log stream, given the names of its group and of itself; both may be new.
    alarms
        Returns which of the alarms with these names are in ALARM, in the account and region of an ARN.
    """

    secret_value: Callable[[str], str]
    put_event: Callable[[Event], None]
    put_log_events: Callable[[str, str, Sequence[LogEvent]], None]
    alarms: Callable[[str, Sequence[str]], frozenset[str]]


class Dispatcher:
    """Calls the functions of `Aws` that put something on threads of their own, one for each kind of thing."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._events = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ecs-events")
        self._logs = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ecs-logs")

    @property
    def aws(self) -> Aws:
        """The same functions, returning at once."""
        return Aws(
            secret_value=self._aws.secret_value,
            alarms=self._aws.alarms,
            put_event=lambda event: self._submit(self._events, lambda: self._aws.put_event(event)),
            put_log_events=lambda group, stream, events: self._submit(
                self._logs, lambda: self._aws.put_log_events(group, stream, events)
            ),
        )

    def close(self) -> None:
        """Deliver what is left."""
        self._events.shutdown()
        self._logs.shutdown()

    @staticmethod
    def _submit(executor: ThreadPoolExecutor, call: Callable[[], None]) -> None:
        def deliver() -> None:
            try:
                call()
            except Exception:
                _logger.exception("the emulated AWS did not take what a task had for it")

        executor.submit(deliver)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Host:
    """Where and how the tasks of a sandbox run.

    Attributes
    ----------
    folder
        The folder whose Dockerfile is used for every image.
    variables
        What every task gets in its environment, whatever its definition says.
    run_dir, log_dir, home
        Folders for the identities of running tasks, for their logs, and an empty one to call home.
    aws
        The emulated AWS; here its functions that put something return at once.
    """

    folder: Path
    variables: Mapping[str, str]
    run_dir: Path
    log_dir: Path
    home: Path
    aws: Aws
    load_balancer: LoadBalancerControl
    timings: Timings
    ports: "PortPool"


class PortPool:
    """Ports for tasks, each given out to one at a time."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self) -> int:
        """Return a free port.

        Raises
        ------
        TaskError
            When there is none.
        """
        port = first_free(random.sample(_PORTS, len(_PORTS)), taken=self._taken)
        if port is None:
            raise TaskError(f"no free port for a task between {_PORTS.start} and {_PORTS.stop}")
        self._taken.add(port)
        return port

    def give_back(self, port: int) -> None:
        """Take back a port."""
        self._taken.discard(port)


async def resolve(secrets: Mapping[str, str], aws: Aws) -> dict[str, str]:
    """Return the values of a container's secrets by the names of their variables.

    Raises
    ------
    TaskError
        When one cannot be had.
    """
    values = {}
    for name, source in secrets.items():
        try:
            values[name] = await asyncio.to_thread(aws.secret_value, source)
        except Exception as error:
            raise TaskError(f"unable to retrieve secret {source}: {error}") from error
    return values


def make_volumes(run_dir: Path, task_id: str, container: ContainerDefinition) -> Mapping[str, Path]:
    """Return new empty folders by the paths at which the container has its volumes.

    They take the place of what Fargate mounts, and end with the task.
    """
    folder = run_dir / f"{task_id}{_VOLUMES}"
    volumes = {path: folder / str(index) for index, path in enumerate(container.mounts)}
    for each in volumes.values():
        each.mkdir(parents=True)
    return volumes


def remove_volumes(run_dir: Path, task_id: str = "*") -> None:
    """Remove the volumes of a task, or of all."""
    for folder in run_dir.glob(f"{task_id}{_VOLUMES}"):
        shutil.rmtree(folder, ignore_errors=True)


def kill_leftover_tasks(run_dir: Path) -> bool:
    """Kill the tasks of a scheduler that is gone, where its end did not end them; return whether any ran."""
    ran = False
    for file in run_dir.glob("*.json"):
        identity = ProcessIdentity.load(file)
        if identity is not None and identity.is_running():
            ran = True
            identity.kill_group()
        file.unlink(missing_ok=True)
    remove_volumes(run_dir)
    return ran
