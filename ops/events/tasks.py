"""Tasks that started, stopped or failed, as ECS says it."""

import re
from collections.abc import Iterator
from datetime import datetime

from ops.events.event import Event, Kind
from ops.status import tasks
from ops.status.look import Look

# What accompanies every start and stop, or says that nothing changes.
_ROUTINE = re.compile(r"registered \d+ targets|has begun draining|has reached a steady state")
_OF_SERVICE = re.compile(r"^\(service [^)]*\)[ ,]*")


def of_service(look: Look, start: datetime) -> Iterator[Event]:
    """Yield the service's events, of which ECS keeps the last hundred."""
    for each in look.service.get("events", ()):
        if each["createdAt"] >= start and not _ROUTINE.search(each["message"]):
            text = _OF_SERVICE.sub("", each["message"])
            kind = Kind.DEPLOYMENT if "deployment" in text else Kind.TASK
            yield Event(time=each["createdAt"], kind=kind, subject=look.service["serviceName"], text=text)


def stopped(look: Look, start: datetime) -> Iterator[Event]:
    """Yield the tasks that stopped and why, of which ECS keeps those of an hour."""
    for each in tasks.read_stopped(look).items:
        if each.stopped_at is not None and each.stopped_at >= start:
            codes = "".join(f", {name} exited with {code}" for name, code in each.exit_codes.items())
            yield Event(
                time=each.stopped_at,
                kind=Kind.TASK,
                subject=f"task {each.task}",
                text=f"stopped: {each.reason}{codes}",
            )
