"""Whatever happens in whatever order, no one is locked out, and a fresh rotation puts everything right."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gantry_runtime.failures import SafeError
from rotation.strategy import RotationError
from sandbox.postgres import PostgresServer
from tests.aws import servers
from tests.aws.ecs import Task
from tests.aws.harness import (
    SESSION_LIFETIME,
    CacheHarness,
    DatabaseHarness,
    Harness,
    ProxiedDatabaseHarness,
    SigningKeyHarness,
    dump,
)
from tests.aws.secrets_manager import STEPS
from tests.aws.transport import Crash, crash

NEXT_TO = "family:errand"
HOUR, DAY = 3600.0, 86400.0
# At which call to the outside something else happens, and what; there are fewer than forty in any step.
INTERRUPTIONS = st.none() | st.tuples(
    st.integers(1, 40), st.sampled_from(["crash", "revert", "deploy", "reconcile", "rotate", *STEPS])
)
Interruption = tuple[int, str] | None


class Machine(RuleBasedStateMachine):
    """Rotations, retirements, deployments, operators and crashes, in any order and at the same time."""

    make_harness: Callable[[], Harness]

    def __init__(self) -> None:
        super().__init__()
        self.harness = self.make_harness()
        self.tokens: list[str] = []

    def attempt(self, action: Callable[[], object], interruption: Interruption = None) -> None:
        """Do something that may fail in a way that is foreseen, and that something else may come between."""
        if interruption is not None:
            at, what = interruption
            self.harness.interruptions.arm(at, lambda: self.interrupt(what))
        with suppress(SafeError, ClientError, ReadTimeoutError, Crash):
            action()
        self.harness.interruptions.disarm()

    def interrupt(self, what: str) -> None:
        if what == "crash":
            crash()
        elif what == "revert":
            self.revert()
        elif what == "deploy":
            self.harness.ecs.complete_deployment()
        elif what == "reconcile":
            self.attempt(self.harness.reconcile)
        elif what == "rotate":
            self.attempt(self.harness.rotate)
        else:
            self.attempt(lambda: self.harness.run(what, self.harness.secret.begin_rotation()))

    @rule()
    def begin_rotation(self) -> None:
        self.tokens.append(self.harness.secret.begin_rotation())

    @precondition(lambda self: self.tokens)
    @rule(step=st.sampled_from(STEPS), age=st.integers(1, 3), interruption=INTERRUPTIONS)
    def run_step(self, step: str, age: int, interruption: Interruption) -> None:
        token = self.tokens[-min(age, len(self.tokens))]
        self.attempt(lambda: self.harness.run(step, token), interruption)

    @rule(interruption=INTERRUPTIONS)
    def rotate(self, interruption: Interruption) -> None:
        self.attempt(self.harness.rotate, interruption)
        self.tokens.append(self.harness.secret.begin_rotation())

    @rule(interruption=INTERRUPTIONS)
    def reconcile(self, interruption: Interruption) -> None:
        self.attempt(self.harness.reconcile, interruption)

    @rule()
    def advance_deployment(self) -> None:
        self.harness.ecs.advance_deployment()

    @rule()
    def complete_deployment(self) -> None:
        self.harness.ecs.complete_deployment()

    @rule()
    def fail_deployment(self) -> None:
        self.harness.ecs.fail_deployment()

    @rule()
    def finish_stopping(self) -> None:
        self.harness.ecs.finish_stopping()

    @rule()
    def replace_a_task(self) -> None:
        wanted = [task for task in self.harness.ecs.tasks if task.wanted]
        if wanted:
            self.harness.ecs.begin_to_stop(wanted[0])
        self.harness.ecs.start_task()

    @rule()
    def run_errand(self) -> None:
        """Run a task next to the service, or end the one that runs."""
        errands = [task for task in self.harness.ecs.live_tasks if task.group == NEXT_TO]
        if errands:
            errands[0].status = "STOPPED"
        else:
            self.harness.ecs.start_task(NEXT_TO)

    @rule(seconds=st.sampled_from([1.0, 30.0, HOUR, DAY, 8 * DAY]))
    def wait(self, seconds: float) -> None:
        self.harness.clock.sleep(seconds)

    @rule()
    def revert(self) -> None:
        """Move AWSCURRENT back by hand."""
        previous = self.harness.secret.holder("AWSPREVIOUS")
        if previous is not None:
            self.harness.secret.attach("AWSCURRENT", previous)

    @rule()
    def cancel(self) -> None:
        """Take AWSPENDING off by hand."""
        self.harness.secret.detach("AWSPENDING")

    @rule()
    def tag(self) -> None:
        """Change the secret in some way that is of no importance."""
        self.harness.secret.detach("NO-SUCH-LABEL")

    @rule(change=st.none() | st.dictionaries(st.sampled_from(["username", "host", "current"]), st.just("x")))
    def write_by_a_stranger(self, change: dict[str, str] | None) -> None:
        """Put a version in the place of the one that the rotation is about to make."""
        token = self.harness.secret.begin_rotation()
        if self.harness.secret.versions[token].value is None:
            document = (
                self.harness.successor() if change is None else self.harness.secret.document("AWSCURRENT")
            )
            self.harness.secret.put(token, json.dumps({**(document or {}), **(change or {})}), "AWSPENDING")
        self.tokens.append(token)

    @invariant()
    def no_one_is_locked_out(self) -> None:
        """A task that starts now, and every task that runs, can log in."""
        current = self.harness.secret.document("AWSCURRENT")
        assert current is not None
        credentials = [current, *(task.read["secret"] for task in self.harness.ecs.live_tasks)]
        for credential in {json.dumps(each, sort_keys=True) for each in credentials}:
            assert self.harness.authenticates(json.loads(credential)), dump(self.harness.secret)

    def teardown(self) -> None:
        try:
            self.a_fresh_rotation_recovers()
        finally:
            self.harness.close()

    def a_fresh_rotation_recovers(self) -> None:
        for task in self.harness.ecs.live_tasks:
            if task.group == NEXT_TO:
                task.status = "STOPPED"
        before = self.harness.secret.holder("AWSCURRENT")
        self.rotate_until_done()
        assert self.harness.secret.holder("AWSCURRENT") != before
        self.harness.reconcile_fully()
        self.no_one_is_locked_out()
        self.earlier_versions_are_retired()

    def rotate_until_done(self) -> None:
        for _ in range(5):
            try:
                self.harness.rotate()
            except RotationError:
                # What blocked it is an unfinished retirement, or was just set aside.
                report = self.harness.reconcile()
                self.harness.ecs.complete_deployment()
                self.harness.clock.sleep(max(HOUR, (report.due - self.harness.clock.now()).total_seconds()))
                self.harness.reconcile()
            else:
                return
        raise AssertionError(f"no fresh rotation succeeds: {dump(self.harness.secret)}")

    def earlier_versions_are_retired(self) -> None:
        current = self.harness.secret.document("AWSCURRENT")
        for _, document in self.harness.secret.history:
            if document.get("password") != (current or {}).get("password"):
                assert not self.harness.authenticates(document)


@dataclass
class Session:
    """A signed-in browser; its cookie carries a signature of every key of the task that made it."""

    keys: set[str]
    made: datetime


class SigningKeyMachine(Machine):
    """The same, and sessions that must outlive all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: list[Session] = []

    def ring(self, task: Task) -> dict[str, Any]:
        return task.read["secret"]

    @precondition(lambda self: self.harness.ecs.live_tasks)
    @rule(index=st.integers(0, 9))
    def sign_in(self, index: int) -> None:
        task = self.harness.ecs.live_tasks[index % len(self.harness.ecs.live_tasks)]
        self.sessions.append(Session(set(self.ring(task).values()), self.harness.clock.now()))

    @precondition(lambda self: self.sessions and self.harness.ecs.live_tasks)
    @rule(session=st.integers(0, 9), index=st.integers(0, 9))
    def use_session(self, session: int, index: int) -> None:
        used = self.sessions[session % len(self.sessions)]
        task = self.harness.ecs.live_tasks[index % len(self.harness.ecs.live_tasks)]
        now = self.harness.clock.now()
        if now - used.made < SESSION_LIFETIME and self.ring(task)["current"] not in used.keys:
            used.keys, used.made = set(self.ring(task).values()), now

    @invariant()
    def no_session_is_lost(self) -> None:
        now = self.harness.clock.now()
        for session in self.sessions:
            if now - session.made < SESSION_LIFETIME:
                for task in self.harness.ecs.live_tasks:
                    assert session.keys & set(self.ring(task).values()), dump(self.harness.secret)

    def earlier_versions_are_retired(self) -> None:
        self.no_session_is_lost()
        current = self.harness.secret.document("AWSCURRENT")
        assert current is not None
        assert set(current) == {"current"}
        for task in self.harness.ecs.live_tasks:
            assert self.ring(task) == current


# How many times as many examples as in the everyday run.
pytestmark = pytest.mark.parametrize(
    "times", [1, pytest.param(10, marks=[pytest.mark.long, pytest.mark.timeout(3000)])]
)


def check(machine: type[Machine], make_harness: Callable[[], Harness], *, examples: int) -> None:
    machine = type(machine.__name__, (machine,), {"make_harness": staticmethod(make_harness)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with servers.database(tmp_path_factory.mktemp("database")) as server:
        yield server


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Cache]:
    with servers.cache(tmp_path_factory.mktemp("cache")) as server:
        yield server


def test_database_roles(database: PostgresServer, times: int) -> None:
    check(Machine, lambda: DatabaseHarness(database), examples=10 * times)


def test_database_roles_behind_a_proxy(database: PostgresServer, times: int) -> None:
    check(Machine, lambda: ProxiedDatabaseHarness(database), examples=5 * times)


def test_cache_users(cache: servers.Cache, times: int) -> None:
    check(Machine, lambda: CacheHarness(cache), examples=40 * times)


def test_signing_keys(times: int) -> None:
    check(SigningKeyMachine, SigningKeyHarness, examples=120 * times)
