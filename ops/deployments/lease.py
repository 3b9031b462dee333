"""Takes the deploy lock, keeps it while a command works, and gives it back."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from ops.console import CliError
from ops.deployments.lock import LEASE_SECONDS, RENEWAL_SECONDS, Holder, Lock, LockState, LostError

_LOOK_SECONDS = 2.0
_AT_WORK = "AWS still works in this environment"


class Clock(Protocol):
    """Time that only goes forward, in seconds, and a way to let it pass."""

    def monotonic(self) -> float:
        """Return the time since some moment."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


class Lease:
    """The lock while it is held: a thread renews it.

    Parameters
    ----------
    lock
        The lock.
    held
        As it was taken.
    clock
        This machine's.

    Attributes
    ----------
    lost_event
        Set once it is another's.
    """

    def __init__(self, lock: Lock, held: LockState, *, clock: Clock = time) -> None:
        self._lock, self._held, self._clock = lock, held, clock
        self._renewed = clock.monotonic()
        self._ended, self._turn = threading.Event(), threading.Lock()
        self.lost_event = threading.Event()
        self._abandoned = False

    @property
    def lost(self) -> bool:
        """Whether the lease is another's by now."""
        return self.lost_event.is_set()

    def abandon(self) -> None:
        """Leave the lease to expire: AWS may still be at work."""
        self._abandoned = True

    @property
    def fence(self) -> int:
        """The number of this holding."""
        return self._held.fence

    def require(self) -> None:
        """Renew the lease now; what follows may be begun.

        Raises
        ------
        CliError
            When it was lost.
        """
        self.renew()
        if self.lost:
            state = self._lock.read()
            by = f" by {state.holder.name} ({state.holder.command})" if state and state.holder else ""
            raise CliError(
                f"The deploy lock was taken{by}; nothing more is begun.",
                remedy="What CloudFormation has begun goes on: `./gantry history` shows how it ends.",
            )

    def renew(self) -> None:
        """Renew the lease; one that could not be renewed for as long as it lasts is lost."""
        with self._turn:
            began = self._clock.monotonic()
            if self.lost:
                return
            try:
                self._held = self._lock.renew(self._held)
                self._renewed = began
            except LostError:
                self.lost_event.set()
            except (BotoCoreError, ClientError):
                if began - self._renewed >= LEASE_SECONDS:
                    self.lost_event.set()

    def release(self) -> None:
        """Free the lock; one that is another's by now, or cannot be reached, is left alone."""
        if not self.lost and not self._abandoned:
            with suppress(BotoCoreError, ClientError):  # then it expires
                self._lock.release(self._held)

    def _keep(self) -> None:
        while not self._ended.wait(RENEWAL_SECONDS):
            self.renew()

    @contextmanager
    def kept(self) -> Iterator["Lease"]:
        """Renew the lease until the block ends, and release it then."""
        thread = threading.Thread(target=self._keep, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()
            self.release()


def acquire(
    lock: Lock,
    holder: Holder,
    *,
    what_runs: Callable[[], Sequence[object]],
    execution_ended: Callable[[str], bool] = lambda _: False,
    wait: bool = False,
    forced: str = "",
    say: Callable[[str], None] = lambda _: None,
    clock: Clock = time,
) -> LockState:
    """Take the lock when it is free, its lease has expired, or it is forced.

    Parameters
    ----------
    lock, holder
        The lock, and who takes it.
    what_runs
        Returns what AWS works on in the environment: the lock is not taken meanwhile.
    execution_ended
        Returns whether a pipeline's execution has ended.
    wait
        Whether to wait until it is free and AWS is at rest.
    forced
        Name of the holder from whom it is taken.
    say
        Called with what is waited for, once.
    clock
        This machine's.

    Raises
    ------
    CliError
        When it is held, or AWS is at work.
    """
    watch, said = _Watch(clock), ""
    while True:
        state = lock.read()
        blocked, certain = "", True
        if state and state.holder and not _is_forced(state.holder, forced):
            blocked, certain = watch.held(state, state.holder, execution_ended)
        if not blocked and not (blocked := _at_work(what_runs())):
            try:
                taken = lock.take(state, holder)
            except LostError:
                continue
            # What the former holder began between the look and the taking shows now, and it begins no more.
            if not (blocked := _at_work(what_runs())):
                return taken
            lock.release(taken)
        if certain and not wait:
            raise CliError(blocked, remedy=_remedy(blocked))
        if blocked != said:
            say(blocked)
            said = blocked
        clock.sleep(_LOOK_SECONDS)


def _is_forced(holder: Holder, forced: str) -> bool:
    if forced and forced not in {holder.name, holder.run, holder.by}:
        raise CliError(f"The deploy lock is not {forced}'s: {describe(holder)}.")
    return bool(forced)


def refuse_held_by_hand(state: LockState | None) -> None:
    """Refuse at once, before anything takes time, where the lock lasts until someone releases it.

    Raises
    ------
    CliError
        When it does.
    """
    if state and state.holder and not state.holder.lease_seconds:
        blocked = _held(state.holder)
        raise CliError(blocked, remedy=_remedy(blocked))


class _Watch:
    """What one reader sees of a lease, on its own clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: tuple[int, int] | None = None
        self._since = clock.monotonic()

    def held(
        self, state: LockState, holder: Holder, execution_ended: Callable[[str], bool]
    ) -> tuple[str, bool]:
        """Return why the lock cannot be taken, empty when it can, and whether that will stay so."""
        if holder.execution:
            return ("", True) if execution_ended(holder.execution) else (_held(holder), True)
        if holder.lease_seconds == 0:
            return _held(holder), True
        number, now = (state.fence, state.renewals), self._clock.monotonic()
        if number != self._seen:
            is_renewed = self._seen is not None
            self._seen, self._since = number, now
            return _held(holder), is_renewed
        if now - self._since >= holder.lease_seconds:
            return "", True
        return _held(holder), False


def describe(holder: Holder) -> str:
    """Return who holds the lock, for what and since when."""
    reason = f" ({holder.reason})" if holder.reason else ""
    return f"{holder.name} holds it for `{holder.command}`{reason} since {holder.since}"


def now() -> str:
    """Return the time, for people."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _held(holder: Holder) -> str:
    return f"The deploy lock is held: {describe(holder)}."


def _at_work(running: Sequence[object]) -> str:
    return f"{_AT_WORK}: {', '.join(map(str, running))}." if running else ""


def _remedy(blocked: str) -> str:
    if blocked.startswith(_AT_WORK):
        return "Add --wait to wait until it has ended; `./gantry rollback` stops it."
    return "Add --wait to wait for it; `./gantry lock release --force HOLDER` takes it away."
