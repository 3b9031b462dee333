"""The four steps in which Secrets Manager has a secret rotated.

Every step may be repeated, and may have ended at any line the time before. The labels say how far things are:

- AWSPENDING alone: the rotation has begun; only a version that carries it is worked on.
- AWSCURRENT: the rotation is done; all that may be left to do is to have the tasks replaced.
- AWSPREVIOUS: tasks may still use it. It blocks a rotation that would take its place.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from aws_lambda_powertools import Logger

from rotation.service import Service
from rotation.store import CURRENT, PENDING, SecretStore, Snapshot, Version
from rotation.strategy import NotRetiredError, RotationError, Strategy, UnusableVersionError


class Rotation:
    """The rotation of one secret.

    Parameters
    ----------
    store
        The secret.
    strategy
        How its kind of secret is rotated.
    service
        Whose tasks read it.
    logger
        Logger.
    """

    def __init__(self, *, store: SecretStore, strategy: Strategy, service: Service, logger: Logger) -> None:
        self._store, self._strategy, self._service, self._logger = store, strategy, service, logger
        self._steps = {
            "createSecret": self._create,
            "setSecret": self._set,
            "testSecret": self._test,
            "finishSecret": self._finish,
        }

    def run(self, step: str, token: str) -> None:
        """Run a step.

        Parameters
        ----------
        step
            createSecret, setSecret, testSecret or finishSecret.
        token
            Id of the version that the rotation makes.

        Raises
        ------
        RotationError
            When the step is unknown or cannot be done.
        """
        if step not in self._steps:
            raise RotationError(f"unknown step {step!r}; there are {', '.join(self._steps)}")
        self._steps[step](token)

    def _create(self, token: str) -> None:
        snapshot = self._snapshot(token)
        if snapshot.current == token or self._store.find(token) is not None:
            self._logger.info("the version exists already")
            return
        current = self._store.current(snapshot)
        with self._setting_aside(snapshot):
            self._strategy.ensure_previous_retired(current, self._store.find(snapshot.previous))
        self._store.add(token, self._strategy.generate(current), label=PENDING)
        self._logger.info("the version is made")

    def _set(self, token: str) -> None:
        announced_at = self._snapshot(token).changed_at
        with self._strategy.lock(announced_at=announced_at) as target:
            snapshot = self._snapshot(token)
            if snapshot.current == token:
                return
            current, pending = self._store.current(snapshot), self._pending(token)
            with self._setting_aside(snapshot):
                self._strategy.check(pending, current)
                self._strategy.ensure_previous_retired(current, self._store.find(snapshot.previous))
            for label in snapshot.reconciled_labels:
                self._store.remove(label, snapshot)
            target.set_secret(pending, other=current)
        self._logger.info("the version is valid")

    def _test(self, token: str) -> None:
        snapshot = self._snapshot(token)
        # A new schedule is tested with a version that no other step has seen and that may be empty.
        self._strategy.verify(self._store.find(token) or self._store.current(snapshot))
        self._logger.info("the version logs in")

    def _finish(self, token: str) -> None:
        with self._strategy.lock():
            snapshot = self._snapshot(token)
            if snapshot.current != token:
                current, pending = self._store.current(snapshot), self._pending(token)
                with self._setting_aside(snapshot):
                    self._strategy.check(pending, current)
                    self._strategy.ensure_previous_retired(current, self._store.find(snapshot.previous))
                # Again, now that no one else changes who may log in.
                self._strategy.verify(pending)
                self._store.move(CURRENT, token, snapshot)
                self._logger.info("the version is the current one")
        snapshot = self._store.snapshot()
        if snapshot.labels.get(PENDING) == token:
            self._store.remove(PENDING, snapshot)
            snapshot = self._store.snapshot()
        progress = self._service.replace_tasks(snapshot.changed_at)
        self._logger.info(
            "the tasks are to be replaced", extra={"state": progress.replacement, "tasks": progress.tasks}
        )

    def _snapshot(self, token: str) -> Snapshot:
        """Return the labels if the rotation to this version is on its way, or just done."""
        snapshot = self._store.snapshot()
        if token not in (snapshot.current, snapshot.labels.get(PENDING)):
            raise RotationError(f"version {token} is neither pending nor current")
        return snapshot

    def _pending(self, token: str) -> Version:
        pending = self._store.find(token)
        if pending is None:
            raise RotationError(f"version {token} has no value: createSecret has not run")
        return pending

    @contextmanager
    def _setting_aside(self, snapshot: Snapshot) -> Iterator[None]:
        """Take the label off a pending version that fails in the body for good, for the next one's sake.

        Otherwise Secrets Manager would try this one again whenever it is asked for a rotation.
        """
        try:
            yield
        except (UnusableVersionError, NotRetiredError):
            self._store.remove(PENDING, snapshot)
            raise
