"""What a kind of secret must know to be rotated."""

import secrets
import string
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from gantry_runtime.failures import SafeError
from rotation.store import Version

_ALPHABET = string.ascii_letters + string.digits


class RotationError(SafeError):
    """A step cannot be done; the message says why."""


class UnusableVersionError(RotationError):
    """The pending version can never become the current one; a rotation must begin again."""


class NotRetiredError(RotationError):
    """An earlier credential that tasks may still use blocks the rotation, until it is retired."""


class LogInRefusedError(RotationError):
    """A credential does not log in."""


class Target(ABC):
    """What the credentials open, while no one else changes who may log in."""

    @abstractmethod
    def set_secret(self, version: Version, *, other: Version) -> None:
        """Let a version log in and leave another one as it is."""

    @abstractmethod
    def retire_previous(self, version: Version, *, authenticates: bool) -> bool:
        """Let this version log in and no other.

        Parameters
        ----------
        authenticates
            Whether it logs in already.

        Returns
        -------
        bool
            Whether that is in effect now; otherwise it is on its way, or has to be asked for again.
        """


class Strategy(ABC):
    """How the credentials of one kind of secret are generated, set, tried and retired."""

    @abstractmethod
    def generate(self, current: Version) -> dict[str, Any]:
        """Return the document of the version that follows the current one."""

    @abstractmethod
    def check(self, pending: Version, current: Version) -> None:
        """Make sure that a pending version is a successor of the current one and nothing else.

        Raises
        ------
        UnusableVersionError
            When it names another place or user: who may write the secret could otherwise have this
            function give a password of their choice to someone else's user.
        """

    @abstractmethod
    def ensure_previous_retired(self, current: Version, previous: Version | None) -> None:
        """Make sure that setting a successor takes the place of no credential that tasks may use.

        Raises
        ------
        NotRetiredError
            When it would.
        """

    @abstractmethod
    def verify(self, version: Version) -> None:
        """Log in with a version.

        Raises
        ------
        LogInRefusedError
            When it is not let in.
        """

    @abstractmethod
    def lock(self, *, announced_at: datetime | None = None) -> AbstractContextManager[Target]:
        """Return the target for the body, in which no one else changes it.

        Parameters
        ----------
        announced_at
            Since when everyone can see that a rotation is on its way; None for who gives way to one.
        """

    @abstractmethod
    def openings(self, version: Version) -> dict[str, int]:
        """Return what an earlier version still opens, each with how often; all are 0 once it opens nothing.

        Parameters
        ----------
        version
            One of a user whose turn it is not.
        """

    def drift(self, current: Callable[[], Version]) -> str | None:
        """Return what someone changed by hand of what the current version opens, if that is looked at."""
        del current
        return None

    def place(self) -> str:
        """Return what names the place that the credentials open, and no copy of it; empty if nothing does."""
        return ""

    def due(self, current: Version, since: datetime) -> datetime:
        """Return when everything but the current version may be retired, if tasks know it since a moment."""
        del current
        return since

    def authenticates(self, version: Version) -> bool:
        """Return whether a version logs in."""
        try:
            self.verify(version)
        except LogInRefusedError:
            return False
        return True


def random_text(length: int = 48) -> str:
    """Return letters and digits, which need quoting nowhere; 48 of them carry 285 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
