"""`./gantry status`: an environment on one screen."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

from ops import aws_errors
from ops.at_once import at_once
from ops.aws import Environment, NotDeployedError, connect
from ops.status import (
    alarms,
    backups,
    cache,
    database,
    lock,
    screen,
    secrets,
    servers,
    service,
    stacks,
    targets,
    tasks,
)
from ops.status.look import Look
from ops.status.part import Part, Unread
from ops.status.screen import Status, Verdict

# In the order of the screen; a reader returns None for what the environment does not have.
PARTS: Mapping[str, Callable[[Look], Part | None]] = {
    "servers": servers.read,
    "service": service.read,
    "deployment": service.read_deployment,
    "tasks": tasks.read,
    "targets": targets.read,
    "stopped_tasks": tasks.read_stopped,
    "database": database.read,
    "cache": cache.read,
    "secrets": secrets.read,
    "backups": backups.read,
    "restore_tests": backups.read_restore_tests,
    "alarms": alarms.read,
    "stacks": stacks.read,
    "lock": lock.read,
}
_WITHIN = timedelta(seconds=20)
_WATCH_SECONDS = 5.0


def run(environment: str, *, as_json: bool, watch: bool = False) -> int:
    """Print the status of an environment and return the exit code: 0 when it is healthy, else 1.

    Parameters
    ----------
    watch
        Print it again and again, until interrupted.

    Raises
    ------
    CliError
        When the environment cannot be reached.
    """
    connected = connect(environment)
    show = screen.print_json if as_json else screen.print_screen
    while True:
        status = read(connected)
        show(status, redraw=watch)
        if not watch:
            return 0 if status.verdict is Verdict.HEALTHY else 1
        time.sleep(_WATCH_SECONDS)


def read(environment: Environment) -> Status:
    """Return the status of an environment; its parts are read at the same time."""
    look = Look(environment)
    futures = at_once({name: partial(reader, look) for name, reader in PARTS.items()}, within=_WITHIN)
    parts: dict[str, Part] = {}
    for name, future in futures.items():
        try:
            part = future.result(timeout=0)
        except NotDeployedError:
            continue  # the stacks say so
        except Exception as error:  # noqa: BLE001 - a fault of Gantry's is raised again
            part = Unread(reason=aws_errors.reason(error))
        if part is not None:
            parts[name] = part
    return Status(environment=look.settings.environment, at=look.now, parts=parts)
