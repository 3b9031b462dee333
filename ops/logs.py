"""`./gantry logs`: what tasks, functions, database, firewall and network have logged."""

import heapq
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.exceptions import ClientError

from contract import log_groups
from ops import aws_errors
from ops.aws import Environment, connect, time_of
from ops.console import CliError, err, printable, write_line

DEFAULT = "service"
_POLL_SECONDS = 1.0
_THROTTLED_SECONDS = 5.0
_ID = re.compile("[0-9a-f]{32}")  # of a task, or of a function's instance
# Events of different streams arrive out of order and late: look back this far, and leave out what was shown.
_LOOK_BACK = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What of the logs is printed.

    Attributes
    ----------
    sources
        Words of `contract.log_groups.sources`.
    since
        How far back it begins.
    follow
        Whether what is new is printed until Ctrl-C.
    pattern
        Only lines in which it is found.
    as_json
        Whether a line is a JSON object.
    """

    sources: Sequence[str] = (DEFAULT,)
    since: timedelta = timedelta(0)
    follow: bool = False
    pattern: re.Pattern[str] | None = None
    as_json: bool = False


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event of a log group."""

    at: datetime
    source: str
    group: str
    stream: str
    message: str
    id: str


def show(environment: str, request: Request) -> None:
    """Print events from some time ago on and, if asked, every new one until interrupted.

    Raises
    ------
    CliError
        When a source is none, has no log group in this environment, or AWS cannot be asked.
    """
    connected = connect(environment)
    groups, now = _groups(connected, request.sources)
    # Of each source by itself: one may be minutes behind another.
    starts = dict.fromkeys(groups, now - request.since)
    if not request.follow:
        for event in _events(connected, groups, starts):
            _print(event, request)
        return
    shown: dict[str, Event] = {}
    while True:
        for event in _unless_throttled(_events(connected, groups, starts)):
            if event.id not in shown:
                shown[event.id] = event
                _print(event, request)
                starts[event.source] = max(starts[event.source], event.at - _LOOK_BACK)
        shown = {name: event for name, event in shown.items() if event.at >= starts[event.source]}
        time.sleep(_POLL_SECONDS * len(groups))


def follow(environment: str) -> None:
    """Print what the service logs from now on until interrupted."""
    show(environment, Request(follow=True))


def pattern_of(text: str) -> re.Pattern[str]:
    """Return a regular expression.

    Raises
    ------
    CliError
        When it is none.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise CliError(
            f"--grep {text} is no regular expression: {error}.", remedy="Write \\ before ( ) [ ] . * + ?"
        ) from error


def _groups(environment: Environment, sources: Sequence[str]) -> tuple[dict[str, str], datetime]:
    """Return the log group of each source, and what time it is at AWS."""
    settings = environment.settings
    known = log_groups.sources(settings.log_group_prefix, settings.full_name)
    if unknown := [each for each in sources if each not in known]:
        allowed = f"Allowed are {', '.join(known)}."
        raise CliError(f"There is no log {', '.join(unknown)}.", remedy=allowed, exit_code=2)
    found, now = {}, datetime.now(UTC)
    for source in dict.fromkeys(sources):
        prefix, star, _ = known[source].partition("*")
        answer = environment.logs.describe_log_groups(logGroupNamePrefix=prefix)
        now = time_of(answer)
        names = [each["logGroupName"] for each in answer["logGroups"]]
        group = next((name for name in names if star or name == prefix), None)
        if group is None:
            raise CliError(
                f"{settings.environment} has no log {source}: there is no log group {known[source]}.",
                remedy="`./gantry status` says what is deployed; docs/operations.md, `Logs`, what logs what.",
            )
        found[source] = group
    return found, now


def _unless_throttled(events: Iterator[Event]) -> Iterator[Event]:
    """Yield events; what AWS throttles comes with the next call."""
    try:
        yield from events
    except ClientError as error:
        if not aws_errors.is_throttled(error):
            raise
        err.print(f"{aws_errors.reason(error)} Waiting.", markup=False)
        time.sleep(_THROTTLED_SECONDS)


def _events(
    environment: Environment, groups: Mapping[str, str], starts: Mapping[str, datetime]
) -> Iterator[Event]:
    """Yield the events of several groups in the order of time."""
    streams = [_events_of(environment, source, group, starts[source]) for source, group in groups.items()]
    return heapq.merge(*streams, key=lambda each: each.at)


def _events_of(environment: Environment, source: str, group: str, start: datetime) -> Iterator[Event]:
    """Yield a group's events, which AWS sorts by time ("FilterLogEvents", CloudWatch Logs API Reference)."""
    pages = environment.logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=int(start.timestamp() * 1000)
    )
    for page in pages:
        for each in page["events"]:
            yield Event(
                at=datetime.fromtimestamp(each["timestamp"] / 1000, UTC),
                source=source,
                group=group,
                stream=each["logStreamName"],
                message=each["message"],
                id=each["eventId"],
            )


def _print(event: Event, request: Request) -> None:
    when = event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if request.as_json:
        if request.pattern is None or request.pattern.search(event.message):
            document = {"time": when, "source": event.source, "group": event.group, "stream": event.stream,
                        "message": event.message}  # fmt: skip
            write_line(json.dumps(document))
        return
    # A function's stream has its version in brackets before the instance's id.
    stream = event.stream.rpartition("/")[2].rpartition("]")[2]
    stream = stream[:8] if _ID.fullmatch(stream) else stream
    for line in event.message.splitlines():
        if request.pattern is None or request.pattern.search(line):
            write_line(f"{when} {event.source} {printable(stream)} {printable(line)}")
