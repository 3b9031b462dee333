"""The deploy lock under runs that crash, clocks that differ, and answers that are lost."""

from contextlib import suppress
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ops.console import CliError
from ops.deployments.lease import Lease, acquire
from ops.deployments.lock import LEASE_SECONDS, Holder, Lock
from tests.unit.ops.deployments.tables import FakeTable

RUNS = strategies.integers(0, 2)


@dataclass
class Run:
    """A run with a clock of its own, which began anywhere and goes a little fast or slow."""

    name: str
    world: "Machine"
    offset: float
    rate: float
    lease: Lease | None = None
    fences: list[int] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.offset + self.world.time * self.rate

    def sleep(self, seconds: float) -> None:
        self.world.pass_time(seconds / self.rate)


class Machine(RuleBasedStateMachine):
    """Three runs that want the lock of one environment."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0
        self.table = FakeTable()
        self.lock = Lock(self.table, "ledger")  # type: ignore[arg-type]
        self.runs = [
            Run(name, self, offset, rate)
            for name, offset, rate in (("a", 0, 1), ("b", 5e6, 1.05), ("c", -300, 0.95))
        ]
        self.renewed = 0.0
        self.taken: list[tuple[int, str]] = []
        self.highest = 0

    def pass_time(self, seconds: float) -> None:
        self.time += seconds

    @rule(which=RUNS, wait=strategies.booleans())
    def acquire(self, which: int, *, wait: bool) -> None:
        run = self.runs[which]
        if run.lease is not None:
            return
        before, since = self.lock.read(), self.renewed
        holder = Holder(run=f"{run.name}{len(self.taken)}", by=run.name, command="deploy")
        with suppress(CliError):
            held = acquire(self.lock, holder, what_runs=list, wait=wait, clock=run)
            if before is not None and before.holder is not None:
                # It was not renewed for as long as it lasts, by clocks that differ by a twentieth.
                assert self.time - since >= LEASE_SECONDS * 0.9
            run.lease = Lease(self.lock, held, clock=run)
            self.taken.append((held.fence, holder.run))
            self.renewed = self.time

    @precondition(lambda self: any(run.lease for run in self.runs))
    @rule(which=RUNS, lost=strategies.booleans())
    def begin_a_stack(self, which: int, *, lost: bool) -> None:
        lease = self.runs[which].lease
        if lease is None:
            return
        self.table.lose_next_answer = lost
        with suppress(CliError, BotoCoreError):
            lease.require()
            state = self.lock.read()
            assert state is not None
            # Who may begin a stack is who holds the lock at this moment.
            if not lost:
                assert state.fence == lease.fence
                self.renewed = self.time
        self.table.lose_next_answer = False
        if lost and (state := self.lock.read()) and state.fence == lease.fence:
            self.renewed = self.time

    @rule(seconds=strategies.floats(0.1, 2 * LEASE_SECONDS))
    def wait(self, seconds: float) -> None:
        self.pass_time(seconds)

    @rule(which=RUNS)
    def crash(self, which: int) -> None:
        self.runs[which].lease = None

    @rule(which=RUNS)
    def end(self, which: int) -> None:
        if lease := self.runs[which].lease:
            lease.release()
            self.runs[which].lease = None

    @invariant()
    def number_only_goes_up_and_is_one_holding_s(self) -> None:
        fences = [fence for fence, _ in self.taken]
        assert fences == sorted(set(fences))
        state = self.lock.read()
        highest = state.fence if state else 0
        assert highest >= self.highest
        self.highest = highest


TestLock = Machine.TestCase
TestLock.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
