"""`./gantry firewall blocked`: what the web application firewall refused or counted."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from ops.aws import Environment, connect
from ops.console import CliError, duration, err, out


@dataclass(frozen=True)
class Found:
    """Requests that one rule refused or counted, of one path and address.

    Attributes
    ----------
    action
        ``BLOCK``, ``COUNT``, or what else the rule did.
    rule
        Its name; of a managed rule with its group before it.
    last
        When the last of them came.
    """

    action: str
    rule: str
    method: str
    path: str
    address: str
    requests: int
    last: str


def show_blocked(environment: str, *, since: str, as_json: bool) -> None:
    """Print what was refused or counted, by rule, path and address, the most frequent first.

    Raises
    ------
    CliError
        When the time is none, or the environment is not deployed, cannot be reached, or has no firewall.
    """
    start = datetime.now(UTC) - duration(since)
    connected = connect(environment)
    if connected.endpoint_url is not None:
        raise CliError(
            "The sandbox has no firewall: no request is refused or counted there.",
            remedy="docs/service-contract.md lists what AWS WAF refuses.",
        )
    found = summary(_records(connected, start))
    if as_json:
        out.print_json(json.dumps([asdict(each) for each in found]))
    elif found:
        out.print(_table(found))
    else:
        err.print(f"The firewall refused and counted nothing within {since}.")


def summary(records: Iterable[dict[str, Any]]) -> list[Found]:
    """Return what WAF logged, counted by action, rule, method, path and address."""
    times: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for record in records:
        request = record["httpRequest"]
        of = (request.get("httpMethod", ""), request.get("uri", ""), request.get("clientIp", ""))
        for action, rule in _rules(record):
            times[(action, rule, *of)].append(record["timestamp"])
    found = [
        Found(action, rule, method, path, address, len(each), _time(max(each)))
        for (action, rule, method, path, address), each in times.items()
    ]
    return sorted(found, key=lambda each: (-each.requests, each.rule, each.path, each.address))


def _rules(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the rules did that did not let a request pass.

    https://docs.aws.amazon.com/waf/latest/developerguide/logging-fields.html
    """
    ended = record["action"] if record["action"] != "ALLOW" else None
    group_ended = False
    for group in record.get("ruleGroupList") or ():
        name = group["ruleGroupId"].rpartition("#")[2]
        rule = group.get("terminatingRule")
        if rule and ended:
            group_ended = True
            yield ended, f"{name}/{rule['ruleId']}"
        for counted in group.get("nonTerminatingMatchingRules") or ():
            yield counted.get("action", "COUNT"), f"{name}/{counted['ruleId']}"
    if ended and not group_ended:
        yield ended, record["terminatingRuleId"]
    for counted in record.get("nonTerminatingMatchingRules") or ():
        yield counted.get("action", "COUNT"), counted["ruleId"]


def _records(environment: Environment, start: datetime) -> Iterator[dict[str, Any]]:
    pages = environment.logs.get_paginator("filter_log_events").paginate(
        logGroupName=environment.outputs("compute")["FirewallLogGroupName"],
        startTime=int(start.timestamp() * 1000),
    )
    for page in pages:
        yield from (json.loads(event["message"]) for event in page["events"])


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def _table(found: Iterable[Found]) -> Table:
    table = Table("Requests", "Action", "Rule", "Request", "Address", "Last")
    for each in found:
        # What a client sent may hold anything, markup included.
        request = Text(f"{each.method} {each.path}".encode("unicode_escape").decode())
        table.add_row(str(each.requests), each.action, each.rule, request, each.address, each.last)
    return table
