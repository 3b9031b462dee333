"""What tasks get from the machine and from the emulated AWS."""

import asyncio
import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.load_balancer.control import LoadBalancerControl
from sandbox.ports import is_free
from sandbox.processes import ProcessIdentity
from sandbox.tasks import volumes
from sandbox.tasks.errors import TaskError
from sandbox.tasks.events import Event
from sandbox.tasks.logs import LogEvent
from sandbox.tasks.timings import Timings

# Above the ports that are kept for servers, below those that Linux gives to outgoing connections.
_PORTS = range(32000, 32768)


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
        for port in random.sample(_PORTS, len(_PORTS)):
            if port not in self._taken and is_free(port):
                self._taken.add(port)
                return port
        raise TaskError(f"no free port for a task between {_PORTS.start} and {_PORTS.stop}")

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


def kill_leftover_tasks(run_dir: Path) -> bool:
    """Kill the tasks of a scheduler that is gone, where its end did not end them; return whether any ran."""
    ran = False
    for file in run_dir.glob("*.json"):
        identity = ProcessIdentity.load(file)
        if identity is not None and identity.is_running():
            ran = True
            identity.kill_group()
        file.unlink(missing_ok=True)
    volumes.remove(run_dir)
    return ran
