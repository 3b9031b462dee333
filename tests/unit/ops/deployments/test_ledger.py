"""The ledger keeps what was written first, in the order of time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ops.deployments.ledger import Ledger, Outcome, Start, find, new_id
from tests.unit.ops.deployments.tables import FakeTable

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def start(minutes: int, **facts: str) -> Start:
    return Start(id=new_id(NOON + timedelta(minutes=minutes)), run="r", by="arn", kind="deploy", **facts)  # type: ignore[arg-type]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(FakeTable(), "ledger")  # type: ignore[arg-type]


def test_entries_come_newest_first_with_their_outcomes(ledger: Ledger) -> None:
    first, second = start(0), replace(start(1), changes={"compute": 2}, overrides={"ecs.cpu": "512"})
    ledger.add(first)
    ledger.add(Outcome(id=first.id, result="succeeded", ended=(NOON + timedelta(seconds=90)).isoformat()))
    ledger.add(second)
    newest, oldest = ledger.entries()
    assert (newest.start, newest.outcome, newest.seconds) == (second, None, None)
    assert (oldest.start, oldest.seconds) == (first, 90)


def test_limit_keeps_the_outcome_of_the_last_one(ledger: Ledger) -> None:
    for minute in range(3):
        each = start(minute)
        ledger.add(each)
        ledger.add(Outcome(id=each.id, result="failed", ended=NOON.isoformat()))
    assert [entry.outcome is not None for entry in ledger.entries(limit=2)] == [True, True]


def test_what_is_written_stays_as_it_is(ledger: Ledger) -> None:
    entry = start(0, reason="first")
    ledger.add(entry)
    ledger.add(replace(entry, reason="second"))
    assert [each.start.reason for each in ledger.entries()] == ["first"]


def test_attribute_of_a_later_version_is_left_alone() -> None:
    table = FakeTable()
    ledger = Ledger(table, "ledger")  # type: ignore[arg-type]
    ledger.add(start(0))
    ((key, item),) = table.items.items()
    table.items[key] = {**item, "invented_later": {"S": "x"}}
    assert len(ledger.entries()) == 1


def test_beginning_of_an_id_is_enough_when_it_is_one_entry_s(ledger: Ledger) -> None:
    for minute in (0, 1):
        ledger.add(start(minute))
    entries = ledger.entries()
    assert find(entries, entries[1].id[:14]) == entries[1]
    assert find(entries, "2026") is None
    assert find(entries, "2027") is None
