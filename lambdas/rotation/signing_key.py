"""The key ring that signs sessions: the previous key is honoured until its sessions have ended."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from rotation.store import CURRENT, SecretStore, Version
from rotation.strategy import (
    LogInRefusedError,
    NotRetiredError,
    Strategy,
    Target,
    UnusableVersionError,
    random_text,
)

_KEY_LENGTH = 64
_SHORTEST_KEY = 32
# Keeps a ring without its previous key until it is the current version.
_RETIRED_PREVIOUS = "RETIRED_PREVIOUS"
_NAMESPACE = uuid.UUID("5a1b3a9c-9a3e-4c55-8f0e-0d6c2f1f7f0e")


class KeyRing(Strategy):
    """A rotation puts a new key before the current one; retiring makes a version without the old one.

    Nothing but Secrets Manager knows the keys, and its conditional moves of labels are what keeps rotations
    and retirements apart.

    Parameters
    ----------
    store
        The secret.
    session_lifetime
        How long a session may rest and still be good.
    """

    def __init__(self, store: SecretStore, *, session_lifetime: timedelta) -> None:
        self._store, self._session_lifetime = store, session_lifetime

    def generate(self, current: Version) -> dict[str, Any]:
        """Return a ring of a new key and the current one."""
        return {"current": random_text(_KEY_LENGTH), "previous": current.document["current"]}

    def check(self, pending: Version, current: Version) -> None:
        """Refuse a ring that would forget the key with which tasks sign now."""
        if problem := _problem(pending):
            raise UnusableVersionError(problem)
        if pending.document.get("previous") != current.document.get("current"):
            raise UnusableVersionError(f"the pending version {pending.id} does not keep the current key")

    def ensure_previous_retired(self, current: Version, previous: Version | None) -> None:
        """Refuse to push a key out of the ring before the sessions that it signed have ended."""
        del previous  # every key of an earlier ring that still counts is in this one
        if "previous" in current.document:
            raise NotRetiredError(
                "the previous signing key still vouches for sessions; it is retired "
                f"{self._session_lifetime} after all tasks know the current one"
            )

    def verify(self, version: Version) -> None:
        """See that a ring is one: whether a key signs well cannot fail."""
        if problem := _problem(version):
            raise LogInRefusedError(problem)

    @contextmanager
    def lock(self, *, announced_at: datetime | None = None) -> Iterator[Target]:
        """Return the secret itself: what moves a label meanwhile makes every later move of it fail."""
        del announced_at
        yield _Ring(self._store)

    def openings(self, version: Version) -> dict[str, int]:
        """Return whether the current ring holds the key with which a version signs."""
        ring = self._store.current(self._store.snapshot()).document
        return {"the key in the current ring": int(version.document.get("current") in ring.values())}

    def due(self, current: Version, since: datetime) -> datetime:
        """Return when the last session that only the previous key vouches for has ended."""
        return since + self._session_lifetime if "previous" in current.document else since


class _Ring(Target):
    """The secret whose value is all that there is."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    def set_secret(self, version: Version, *, other: Version) -> None:
        """Do nothing: tasks learn the keys when they start."""

    def retire_previous(self, version: Version, *, authenticates: bool) -> bool:
        del authenticates
        if "previous" not in version.document:
            return True
        # The same id whenever it is tried, so that crashes between the calls leave one version, not many.
        retired = str(uuid.uuid5(_NAMESPACE, version.id))
        snapshot = self._store.snapshot()
        self._store.add(retired, {"current": version.document["current"]}, label=_RETIRED_PREVIOUS)
        if snapshot.current == version.id:
            self._store.move(CURRENT, retired, snapshot)
        self._store.remove(_RETIRED_PREVIOUS, self._store.snapshot())
        return False


def _problem(ring: Version) -> str | None:
    keys = [ring.document[name] for name in ("current", "previous") if name in ring.document]
    if "current" not in ring.document or not all(
        isinstance(k, str) and len(k) >= _SHORTEST_KEY for k in keys
    ):
        return f"version {ring.id} is not a ring of keys of at least {_SHORTEST_KEY} characters"
    return f"version {ring.id} holds one key twice" if len(set(keys)) < len(keys) else None
