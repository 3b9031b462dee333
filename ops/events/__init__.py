"""`./gantry events`: what happened in an environment, on one timeline."""

import json
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from ops import aws_errors
from ops.at_once import at_once
from ops.aws import Environment, NotDeployedError, connect
from ops.console import err, out, printable, write_line
from ops.events import alarms, backups, deployments, rotations, scaling, tasks
from ops.events.event import Event
from ops.status.look import Look
from ops.status.part import abridged

# By the names with which a source is said to be unknown.
SOURCES: Mapping[str, Callable[[Look, datetime], Iterator[Event]]] = {
    "ledger": deployments.of_ledger,
    "stacks": deployments.of_stacks,
    "service deployments": deployments.of_service,
    "service events": tasks.of_service,
    "stopped tasks": tasks.stopped,
    "scaling": scaling.read,
    "rotations": rotations.read,
    "alarms": alarms.read,
    "backups": backups.read,
}
_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """What happened since a time, the earliest first.

    Attributes
    ----------
    unknown
        By source that could not be read, the reason.
    """

    environment: str
    since: datetime
    events: Sequence[Event]
    unknown: Mapping[str, str]


def run(environment: str, *, since: timedelta, as_json: bool) -> None:
    """Print what happened within a time.

    Raises
    ------
    CliError
        When the environment cannot be reached.
    """
    timeline = read(connect(environment), since)
    if as_json:
        write_line(json.dumps(asdict(timeline), default=_as_json, indent=2))
    else:
        for event in timeline.events:
            write_line(_line(event))
    for source, reason in timeline.unknown.items():
        err.print(f"{source}: unknown: {printable(reason)}", markup=False, soft_wrap=True)
    if not timeline.events and not timeline.unknown:
        err.print(f"Nothing happened since {_moment(timeline.since)}Z.")


def read(environment: Environment, since: timedelta) -> Timeline:
    """Return what happened within a time; the sources are read at the same time."""
    look = Look(environment)
    start = look.now - since
    calls = {name: _reading(source, look, start) for name, source in SOURCES.items()}
    events: list[Event] = []
    unknown: dict[str, str] = {}
    for name, future in at_once(calls, within=_WITHIN).items():
        try:
            events += future.result(timeout=0)
        except NotDeployedError:
            continue  # nothing can have happened
        except Exception as error:  # noqa: BLE001 - a fault of Gantry's is raised again
            unknown[name] = aws_errors.reason(error)
    return Timeline(
        environment=look.settings.environment,
        since=start,
        events=sorted(events, key=lambda each: each.time),
        unknown=unknown,
    )


def _reading(
    source: Callable[[Look, datetime], Iterator[Event]], look: Look, start: datetime
) -> Callable[[], list[Event]]:
    return lambda: list(source(look, start))


def _line(event: Event) -> str:
    """Return an event as text: a line with the beginnings of ids, which only a terminal wraps."""
    begin = f"{_moment(event.time)}Z {event.kind:<10} "
    line = abridged(printable(f"{begin}{event.subject} {event.text}".replace("\n", " ")))
    if not out.is_terminal:
        return line
    return textwrap.fill(line, out.width, subsequent_indent=" " * len(begin), break_on_hyphens=False)


def _moment(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _as_json(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    raise TypeError(f"{type(value)} is not data")
