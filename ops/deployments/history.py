"""`./gantry history`: what was deployed, by the ledger and by CloudFormation, which confirms it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from rich.text import Text

from ops.aws import Environment, connect
from ops.console import out
from ops.deployments import in_progress, show
from ops.deployments.connection import Record
from ops.deployments.ledger import Entry

# Stacks of one `cdk deploy` follow each other; what begins later is another one.
_BEGINNINGS = frozenset(
    {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS"}
)
_GAP = timedelta(minutes=2)
_MARGIN = timedelta(seconds=5)  # between the clock of this machine, which entries have, and AWS's


@dataclass(frozen=True, kw_only=True)
class StackOperation:
    """A creation, update or deletion of a stack, from its events; one that goes on has no end."""

    stack: str
    began: datetime
    ended: datetime | None
    status: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A deployment as it is shown.

    Attributes
    ----------
    id
        Of the entry; empty where no one wrote one.
    commit
        Of the source; with a + where the tree was not as the commit says.
    changes
        Resources that changed, by stack; 0 where it is not known how many, or only other parts did.
    outcome
        As it was written; else what CloudFormation says.
    seconds
        How long it took, where that is known.
    """

    id: str
    began: str
    by: str
    kind: str
    of: str
    reason: str
    commit: str
    image: str
    digest: str
    changes: dict[str, int]
    outcome: str
    seconds: float | None
    cause: str


def run(environment: str, *, limit: int, as_json: bool) -> None:
    """Print the deployments of an environment, the newest first."""
    rows = history(connect(environment), limit=limit)
    if as_json:
        out.print_json(json.dumps([asdict(row) for row in rows]))
        return
    for row in rows:
        out.print(Text(_line(row)))
        if detail := " · ".join(
            filter(None, (show.stacks(row.changes), row.of and f"to {row.of}", row.reason))
        ):
            out.print(Text(f"    {detail}", style="dim"))
        if row.cause:
            out.print(Text(f"    {' '.join(row.cause.split())}"[: out.width], style="red"))


def _line(row: Row) -> str:
    identity = row.id or f"{datetime.fromisoformat(row.began):%Y%m%dT%H%M%SZ}"
    commit = row.commit[:7] + ("+" if row.commit.endswith("+") else "")
    took = "" if row.seconds is None else show.minutes(row.seconds)
    return (
        f"{identity:<21} {show.name(row.by)[:10]:<10} {row.kind:<8} {commit:<8} "
        f"{show.version(row.image)[:8]:<8} {row.outcome:<11} {took}"
    ).rstrip()


def history(environment: Environment, *, limit: int) -> list[Row]:
    """Return the deployments, the newest first: entries, and what was deployed without one."""
    record = Record(environment)
    entries = record.ledger.entries(limit=limit) if record.exists else []
    holder = record.lock.read() if record.exists else None
    running = holder.holder.run if holder and holder.holder else ""
    operations = list(_operations(environment))
    rows, taken = [], set[int]()
    following = None
    for entry in entries:
        own = _own(entry, following, operations)
        taken |= {id(each) for each in own}
        rows.append(_row(entry, own, is_running=entry.start.run == running))
        following = entry.start.began
    rows += [_unwritten(each) for each in _together(o for o in operations if id(o) not in taken)]
    return sorted(rows, key=lambda row: row.began, reverse=True)[:limit]


def _own(
    entry: Entry, following: datetime | None, operations: Sequence[StackOperation]
) -> list[StackOperation]:
    """Return what CloudFormation did in the time of an entry."""
    began = entry.start.began - _MARGIN
    ended = datetime.fromisoformat(entry.outcome.ended) + _MARGIN if entry.outcome else following
    return [each for each in operations if each.began >= began and (ended is None or each.began <= ended)]


def _row(entry: Entry, own: Sequence[StackOperation], *, is_running: bool) -> Row:
    start = entry.start
    seconds, outcome = entry.seconds, show.result(entry)
    if outcome == "interrupted" and own:
        outcome = f"interrupted; {_result(own)} (read from CloudFormation)"
    if entry.outcome is None:
        outcome = "running" if is_running else _said(own)
        ends = [each.ended for each in own if each.ended]
        if not is_running and ends:
            seconds = (max(ends) - start.began).total_seconds()
    return Row(
        id=start.id,
        began=start.began.isoformat(),
        by=start.by,
        kind=start.kind,
        of=start.of,
        reason=start.reason,
        commit=start.commit if start.clean or not start.commit else f"{start.commit}+",
        image=start.image,
        digest=entry.outcome.digest if entry.outcome else "",
        changes=dict(start.changes),
        outcome=outcome,
        seconds=seconds,
        cause=entry.outcome.cause if entry.outcome else "",
    )


def _said(own: Sequence[StackOperation]) -> str:
    """Return how it ended where no one wrote it: as CloudFormation's events say."""
    if not own:
        return "unknown: no stack changed"
    return f"{_result(own)} (read from CloudFormation)"


def _result(group: Sequence[StackOperation]) -> str:
    """Return how CloudFormation's part ended."""
    statuses = [each.status for each in group]
    if any(status.endswith("_FAILED") for status in statuses):
        return "failed"
    if any("ROLLBACK" in status for status in statuses):
        return "rolled back"
    return "succeeded" if all(each.ended for each in group) else "in progress"


def _together(operations: Iterator[StackOperation]) -> Iterator[list[StackOperation]]:
    """Yield operations that follow each other as those of one deployment."""
    group: list[StackOperation] = []
    for each in sorted(operations, key=lambda operation: operation.began):
        if group and each.began - (group[-1].ended or group[-1].began) > _GAP:
            yield group
            group = []
        group.append(each)
    if group:
        yield group


def _unwritten(group: Sequence[StackOperation]) -> Row:
    ends = [each.ended for each in group]
    seconds = (max(filter(None, ends)) - group[0].began).total_seconds() if all(ends) else None
    return Row(
        id="",
        began=group[0].began.isoformat(timespec="seconds"),
        by="",
        kind="cdk",
        of="",
        reason="",
        commit="",
        image="",
        digest="",
        changes={each.stack: 0 for each in group},
        outcome=_result(group),
        seconds=seconds,
        cause="",
    )


def _operations(environment: Environment) -> Iterator[StackOperation]:
    """Yield what CloudFormation did to the environment's stacks, from the events that it keeps."""
    for region, stack in in_progress.deployed(environment):
        client = environment.cloudformation_in(region)
        ended: tuple[datetime, str] | None = None
        for page in client.get_paginator("describe_stack_events").paginate(StackName=stack["StackId"]):
            for event in page["StackEvents"]:  # the newest first
                if event.get("PhysicalResourceId") != event["StackId"]:
                    continue
                status = event.get("ResourceStatus", "")
                if status.endswith(("_COMPLETE", "_FAILED")):
                    ended = ended or (event["Timestamp"], status)
                elif status in _BEGINNINGS:
                    yield StackOperation(
                        stack=stack["StackName"],
                        began=event["Timestamp"],
                        ended=ended[0] if ended else None,
                        status=ended[1] if ended else status,
                    )
                    ended = None
