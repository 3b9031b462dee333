"""Changes of the cache's users, one call of ElastiCache each, and when they may begin."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from gantry_runtime.access_strings import is_closed
from gantry_runtime.clock import TimeLimit
from rotation.alternation import require_different_users
from rotation.store import Version
from rotation.strategy import RotationError, Target

if TYPE_CHECKING:
    from rotation.cache import AlternatingCacheUsers

WRITE_WINDOW = timedelta(seconds=4)
"""From a look until the change that it shows to be next must have begun, since someone else may rotate."""


class BusyError(RotationError):
    """A user or the group is being changed by someone else."""


@dataclass(frozen=True)
class Change:
    """A change of a user or the group.

    Attributes
    ----------
    begin
        Asks ElastiCache for it, by one call; raises `BusyError`.
    is_last
        Whether nothing is left to be done once it is in effect.
    """

    begin: Callable[[], None]
    is_last: bool = False


class CacheUsers(Target):
    """The pair of users.

    Parameters
    ----------
    strategy
        What finds and makes the changes.
    limit
        The time for all changes together; None if they are made soon or not at all, because a rotation may
        begin any time. What was not made then is made when the secret is reconciled again.
    """

    def __init__(self, strategy: "AlternatingCacheUsers", *, limit: TimeLimit | None) -> None:
        self._strategy, self._limit = strategy, limit
        self._until = strategy.now() + WRITE_WINDOW

    def set_secret(self, version: Version, *, other: Version) -> None:
        """Turn the user of a version on, if it does not log in."""
        require_different_users(version, other)
        if self._limit is None:
            # The reconciler has just seen that the version does not log in.
            self._begin_within_write_window(self._strategy.next_change(version, idle=False))
        # A change that is made again, even to the same password, would have to be waited for again.
        elif not self._strategy.authenticates(version):
            while not self._begin_next(version).is_last:
                self._strategy.wait_until_in_effect(self._limit, version.document["username"])

    def _begin_next(self, version: Version) -> Change:
        """Begin and return the next change for a version that is pending, found by a look just before.

        Raises
        ------
        RotationError
            When the look took long: another invocation may have finished the rotation meanwhile, and the user
            would leave the group as the one that tasks use.
        """
        until = self._strategy.now() + WRITE_WINDOW
        change = self._strategy.next_change(version, idle=True)
        if self._strategy.now() >= until:
            raise RotationError("ElastiCache or the cache answers slowly; the step can be run again")
        change.begin()
        return change

    def retire_previous(self, version: Version, *, authenticates: bool) -> bool:
        """Begin what is next to have this version alone log in; return whether nothing is."""
        name, idle = self._strategy.pair(version)
        user, idle_user = self._strategy.describe(name), self._strategy.describe(idle)
        group = self._strategy.describe_group()
        # What takes longer is found in effect when the secret is reconciled again.
        if any(each["Status"] != "active" for each in (user, idle_user, group)):
            return False
        # A second password is what earlier versions of this function rotated.
        alone = authenticates and user["Authentication"]["PasswordCount"] == 1
        closed, gone = is_closed(idle_user["AccessString"]), not self._strategy.is_member(idle, group)
        if not alone:
            self._begin_within_write_window(self._strategy.next_change(version, idle=False))
        if not closed:
            self._begin_within_write_window(Change(partial(self._strategy.turn_off, idle)))
        elif not gone:
            self._begin_within_write_window(Change(partial(self._strategy.leave, idle)))
        return alone and closed and gone

    def _begin_within_write_window(self, change: Change) -> None:
        """Begin a change, which was found by looking at ElastiCache first, if there is still time for it."""
        if self._strategy.now() < self._until:
            with suppress(BusyError):
                change.begin()
