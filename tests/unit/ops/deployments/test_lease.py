"""The deploy lock: who gets it, who waits, who loses it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ops.console import CliError
from ops.deployments.lease import Lease, acquire
from ops.deployments.lock import LEASE_SECONDS, Holder, Lock, LockState, LostError
from tests.unit.ops.deployments.tables import FakeTable

ROLE = "arn:aws:sts::123456789012:assumed-role/Admin"
ADA = Holder(run="a", by=f"{ROLE}/ada", command="./gantry deploy", since="10:00")
BEN = Holder(run="b", by="arn:aws:iam::123456789012:user/ben", command="./gantry deploy", since="10:01")


@dataclass
class Clock:
    """A clock that goes when someone waits, and lets something happen meanwhile."""

    time: float = 0
    meanwhile: Callable[[], Any] = field(default=lambda: None)

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.meanwhile()


def nothing_runs() -> Sequence[str]:
    return []


@pytest.fixture
def table() -> FakeTable:
    return FakeTable()


@pytest.fixture
def lock(table: FakeTable) -> Lock:
    return Lock(table, "ledger")  # type: ignore[arg-type]


def take(lock: Lock, holder: Holder, **options: Any) -> LockState:  # noqa: ANN401 - those of acquire
    return acquire(lock, holder, **{"what_runs": nothing_runs, "clock": Clock(), **options})


def test_free_lock_is_taken_and_its_number_only_goes_up(lock: Lock) -> None:
    first = take(lock, ADA)
    lock.release(first)
    second = take(lock, BEN)
    assert (first.fence, second.fence) == (1, 2)
    state = lock.read()
    assert state is not None
    assert state.holder == BEN


def test_lease_that_is_renewed_is_not_taken(lock: Lock) -> None:
    held = [take(lock, ADA)]

    def renew() -> None:
        held.append(lock.renew(held[-1]))

    with pytest.raises(CliError) as refused:
        take(lock, BEN, clock=Clock(meanwhile=renew))
    assert refused.value.message == (
        "The deploy lock is held: ada holds it for `./gantry deploy` since 10:00."
    )


def test_lease_whose_holder_ended_is_taken_after_as_long_as_it_lasts_on_the_taker_s_clock(lock: Lock) -> None:
    take(lock, ADA)
    clock = Clock(time=1e6)
    assert take(lock, BEN, clock=clock).fence == 2
    assert LEASE_SECONDS <= clock.time - 1e6 < LEASE_SECONDS + 5


def test_lease_that_is_renewed_once_more_lasts_as_long_again(lock: Lock) -> None:
    held = take(lock, ADA)
    clock = Clock()

    def renew_late() -> None:
        if clock.time == 30:
            lock.renew(held)

    clock.meanwhile = renew_late
    take(lock, BEN, clock=clock, wait=True)
    assert clock.time >= 30 + LEASE_SECONDS


def test_lock_taken_by_hand_lasts_until_it_is_released_or_forced(lock: Lock) -> None:
    take(lock, replace(ADA, lease_seconds=0, reason="the fair"))
    with pytest.raises(CliError, match="the fair"):
        take(lock, BEN)
    with pytest.raises(CliError, match="is not ben's"):
        take(lock, BEN, forced="ben")
    assert take(lock, BEN, forced="ada").fence == 2


@pytest.mark.parametrize("ended", [True, False])
def test_lease_of_a_pipeline_is_its_execution_s(lock: Lock, *, ended: bool) -> None:
    arn = "arn:aws:codepipeline:eu-west-1:123456789012:gantry-pipeline:1-2"
    take(lock, replace(ADA, execution=arn))
    asked: list[str] = []

    def has_ended(execution: str) -> bool:
        asked.append(execution)
        return ended

    if ended:
        assert take(lock, BEN, execution_ended=has_ended).fence == 2
    else:
        with pytest.raises(CliError, match="held"):
            take(lock, BEN, execution_ended=has_ended)
    assert asked == [arn]


def test_lock_is_not_taken_while_aws_is_at_work_even_when_it_is_forced(lock: Lock) -> None:
    take(lock, ADA)
    with pytest.raises(CliError, match="AWS still works in this environment: gantry-prod-data") as refused:
        take(lock, BEN, forced="ada", what_runs=lambda: ["gantry-prod-data (UPDATE_IN_PROGRESS since 10:00)"])
    assert "./gantry rollback" in (refused.value.remedy or "")
    state = lock.read()
    assert state is not None
    assert state.holder == ADA


def test_what_the_former_holder_began_at_the_last_moment_gives_the_lock_back(lock: Lock) -> None:
    answers = iter([[], ["gantry-prod-data (UPDATE_IN_PROGRESS)"]])
    with pytest.raises(CliError, match="gantry-prod-data"):
        take(lock, ADA, what_runs=lambda: next(answers))
    state = lock.read()
    assert state is not None
    assert state.holder is None


def test_who_waits_gets_it_once_aws_is_at_rest(lock: Lock) -> None:
    answers = iter([["a stack"], ["a stack"], [], []])
    said: list[str] = []
    take(lock, ADA, what_runs=lambda: next(answers), wait=True, say=said.append)
    assert said == ["AWS still works in this environment: a stack."]


def test_write_whose_answer_was_lost_is_the_writer_s_own(table: FakeTable, lock: Lock) -> None:
    held = take(lock, ADA)
    table.lose_next_answer = True
    with pytest.raises(Exception, match="dynamodb"):
        lock.renew(held)
    assert lock.renew(held).renewals == 1  # what botocore sends again


def test_renewal_that_comes_after_the_release_takes_nothing(lock: Lock) -> None:
    held = take(lock, ADA)
    lock.release(held)
    with pytest.raises(LostError):
        lock.renew(held)
    take(lock, BEN)


def test_holder_that_lost_the_lease_begins_nothing_more(lock: Lock) -> None:
    lease = Lease(lock, take(lock, ADA), clock=Clock())
    lease.require()
    take(lock, BEN, forced="ada")
    with pytest.raises(CliError, match="was taken by ben"):
        lease.require()


def test_holder_that_cannot_renew_in_time_begins_nothing_more(table: FakeTable, lock: Lock) -> None:
    clock = Clock()
    lease = Lease(lock, take(lock, ADA), clock=clock)
    table.unreachable = True
    clock.time = LEASE_SECONDS - 1
    lease.renew()
    assert not lease.lost
    clock.time = LEASE_SECONDS
    lease.renew()
    assert lease.lost


def test_lease_is_released_when_its_block_ends_however_it_ends(lock: Lock) -> None:
    with pytest.raises(KeyboardInterrupt), Lease(lock, take(lock, ADA)).kept():
        raise KeyboardInterrupt
    state = lock.read()
    assert state is not None
    assert state.holder is None
