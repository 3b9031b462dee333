"""`./gantry logs`: what the service's tasks say."""

import time
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ops.aws import Environment, connect
from ops.console import out, printable

_POLL_SECONDS = 1.0
# Events of different streams arrive out of order and late: look back this far, and leave out what was shown.
_LOOK_BACK = timedelta(seconds=10)
_REMEMBERED = 10_000


def show(environment: str, *, since: timedelta, follow_on: bool) -> None:
    """Print the events since some time ago and, if asked, every new one until interrupted.

    Raises
    ------
    CliError
        When the environment is not deployed or cannot be reached.
    """
    connected = connect(environment)
    _print_from(connected, datetime.now(UTC) - since, follow_on=follow_on)


def follow(environment: str) -> None:
    """Print every event from now on until interrupted."""
    _print_from(connect(environment), datetime.now(UTC), follow_on=True)


def _print_from(environment: Environment, start: datetime, *, follow_on: bool) -> None:
    group = environment.outputs("compute")["ServiceLogGroupName"]
    shown: OrderedDict[str, None] = OrderedDict()
    while True:
        asked = datetime.now(UTC)
        for event_id, stream, message in _events(environment, group, start):
            if event_id not in shown:
                shown[event_id] = None
                task = stream.rsplit("/", 1)[-1][:8]
                out.print(f"{task} {printable(message)}", markup=False, highlight=False, soft_wrap=True)
        while len(shown) > _REMEMBERED:
            shown.popitem(last=False)
        if not follow_on:
            return
        start = max(start, asked - _LOOK_BACK)
        time.sleep(_POLL_SECONDS)


def _events(environment: Environment, group: str, start: datetime) -> Iterator[tuple[str, str, str]]:
    pages = environment.logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=int(start.timestamp() * 1000)
    )
    for page in pages:
        for event in page["events"]:
            yield event["eventId"], event["logStreamName"], event["message"].rstrip()
