"""Reconciles a secret after a rotation: tasks replaced, earlier credentials retired.

It looks at what is, not at what was asked of it, so that it may run at any time, at once with itself or
not for hours. What it does rests on one rule: a task that ECS created after the secret was last changed has
read the version that is current now. A rotation, the manual move of a label and anything else that changes
the secret count as such a change, so that the rule errs on the side of waiting.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from gantry_runtime.clock import Clock
from rotation.service import Progress, Replacement, Service
from rotation.store import PENDING, PREVIOUS, LabelMovedError, SecretStore, Snapshot, reconciled_label
from rotation.strategy import RotationError, Strategy

# Secrets Manager repeats a failed rotation for some hours, at times that it does not document.
_ABANDONED = timedelta(hours=24)
_ROUNDS = 4  # each ends with labels moved, or is the last
_ATTEMPTS = 3  # each finds an asynchronous change of the one before in effect; two follow one another


@dataclass(frozen=True, kw_only=True)
class Report:
    """The state of a secret.

    Attributes
    ----------
    name
        The secret's name.
    current, previous, pending
        Versions by label; `previous` is there as long as tasks may use it.
    replacement, tasks
        How far the replacement of tasks has come, and how many are to be replaced.
    reconciled
        Whether nothing but the current version logs in.
    due
        When everything else may be retired at the earliest. A change of the secret, even of its tags, moves
        it.
    expected
        When everything else should have been retired, which nothing moves.
    rotated_at
        When the secret was last rotated, or else made.
    """

    name: str
    current: str
    previous: str | None
    pending: str | None
    replacement: Replacement
    tasks: int
    reconciled: bool
    due: datetime
    expected: datetime
    rotated_at: datetime


class Reconciler:
    """Retires the earlier credentials of one secret.

    Parameters
    ----------
    store
        The secret.
    strategy
        How its kind of secret is rotated.
    service
        Whose tasks read it.
    clock
        Clock.
    logger
        Logger.
    """

    def __init__(
        self, *, store: SecretStore, strategy: Strategy, service: Service, clock: Clock, logger: Logger
    ) -> None:
        self._store, self._strategy, self._service = store, strategy, service
        self._clock, self._logger = clock, logger

    def run(self) -> Report:
        """Do what can be done now, and return the state of the secret."""
        place = self._strategy.place()
        snapshot = self._set_abandoned_rotation_aside(self._store.snapshot())
        progress = Progress(replacement=Replacement.DONE, tasks=0)
        if snapshot.reconciled_for(place):
            self._undo_drift(snapshot)
        for _ in range(_ROUNDS):
            if snapshot.reconciled_for(place):
                break
            with suppress(LabelMovedError):  # events come in flocks: another invocation was faster
                progress = self._advance(snapshot, place)
            before, snapshot = snapshot, self._store.snapshot()
            if snapshot.labels == before.labels:
                break
        return self._report(snapshot, place, progress)

    def _undo_drift(self, snapshot: Snapshot) -> None:
        """Make what someone changed by hand what it was; raise what cannot be undone here."""
        drift = self._strategy.drift(lambda: self._store.current(snapshot))
        if drift is None:
            return
        self._logger.warning("changed by hand", extra={"drift": drift})
        current = self._store.current(snapshot)
        with self._strategy.lock() as target:
            if self._store.snapshot().labels != snapshot.labels:
                return
            target.retire_previous(current, authenticates=False)
        left = self._strategy.drift(lambda: current)
        if left is not None:
            raise RotationError(f"someone changed by hand what a rotation cannot change back: {left}")

    def _set_abandoned_rotation_aside(self, snapshot: Snapshot) -> Snapshot:
        if snapshot.pending is None or self._clock.now() < snapshot.changed_at + _ABANDONED:
            return snapshot
        with suppress(LabelMovedError):
            self._store.remove(PENDING, snapshot)
            self._logger.warning("a rotation was abandoned", extra={"version": snapshot.pending})
        return self._store.snapshot()

    def _advance(self, snapshot: Snapshot, place: str) -> Progress:
        progress = Progress(replacement=Replacement.DONE, tasks=0)
        if snapshot.previous is not None:
            progress = self._service.replace_tasks(snapshot.changed_at)
            if progress.replacement is Replacement.DONE:
                # From here on it counts as retired: a rotation may take its place, and who would move
                # AWSCURRENT back to it has to name it.
                self._store.remove(PREVIOUS, snapshot)
                self._logger.info("no task uses the previous version", extra={"version": snapshot.previous})
                return progress
        # Who may log in is the rotation's business while there is one.
        if snapshot.pending is None and self._clock.now() >= self._due(snapshot):
            self._retire(snapshot, place)
        return progress

    def _due(self, snapshot: Snapshot) -> datetime:
        if snapshot.previous is not None:
            return snapshot.changed_at
        return self._strategy.due(self._store.current(snapshot), snapshot.changed_at)

    def _expected(self, snapshot: Snapshot) -> datetime:
        current = self._store.current(snapshot)
        return self._strategy.due(current, current.created_at)

    def _retire(self, snapshot: Snapshot, place: str) -> None:
        """Make who may log in agree with the labels: the current version and, if any, the previous one."""
        current, previous = self._store.current(snapshot), self._store.find(snapshot.previous)
        for _ in range(_ATTEMPTS):
            authenticates = self._strategy.authenticates(current)
            if snapshot.previous is not None and (authenticates or previous is None):
                return
            with self._strategy.lock() as target:
                # A rotation gives no way to this one, so that this one gives way to a rotation.
                if self._store.snapshot().labels != snapshot.labels:
                    return
                if not authenticates:
                    self._logger.warning("the current version did not log in", extra={"version": current.id})
                if previous is not None:
                    target.set_secret(current, other=previous)
                elif target.retire_previous(current, authenticates=authenticates):
                    self._store.move(reconciled_label(place), current.id, snapshot)
                    self._logger.info("nothing else logs in", extra={"version": current.id, "place": place})
                    return

    def _report(self, snapshot: Snapshot, place: str, progress: Progress) -> Report:
        reconciled = snapshot.reconciled_for(place)
        return Report(
            name=snapshot.name,
            current=snapshot.current,
            previous=snapshot.previous,
            pending=snapshot.pending,
            replacement=progress.replacement,
            tasks=progress.tasks,
            reconciled=reconciled,
            due=snapshot.changed_at if reconciled else self._due(snapshot),
            expected=snapshot.changed_at if reconciled else self._expected(snapshot),
            rotated_at=snapshot.rotated_at,
        )
