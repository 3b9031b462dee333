"""The cache's credentials: two users that take turns."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import valkey

from gantry_runtime.access_strings import CLOSED, is_closed
from gantry_runtime.clock import Clock, TimeLimit
from rotation.alternation import AlternatingUsers, other, user_of
from rotation.cache_changes import BusyError, CacheUsers, Change
from rotation.store import Version
from rotation.strategy import LogInRefusedError, RotationError, Target

if TYPE_CHECKING:
    from types_boto3_elasticache import ElastiCacheClient
    from types_boto3_elasticache.type_defs import UserGroupTypeDef, UserTypeDef

# A change takes minutes: four on average, and more than five at times, as users of Terraform report
# (hashicorp/terraform-provider-aws 20530, 20729); AWS's own rotation function waits ten.
CHANGE_SECONDS = 600.0
# What all changes of setSecret may take together, up to two of which are waited for there; less than the
# function's time (constructs/gantry/secrets/rotation.py).
_ADMISSION_SECONDS = 780.0
_EFFECT_SECONDS = 10.0
_POLL_SECONDS = 5.0
# ElastiCache has neither a lock nor a conditional change. What keeps a rotation and a retirement apart is
# that a pending version announces the one, the other looks for it just before it acts, and the one waits
# until who looked before the announcement must have acted or given up: a change begins within
# `WRITE_WINDOW` of the look, and the call that makes it gives up soon after (`wiring`). The announcement's
# time is AWS's, the wait ends by this machine's clock: three of the seconds are for clocks that differ.
ANNOUNCEMENT_DELAY = timedelta(seconds=10)


class AlternatingCacheUsers(AlternatingUsers):
    """A rotation turns the idle user on with a new password and has it join the user group of the cache.

    Retiring takes all rights away and has the user leave the group, which ends its open connections ("Any
    open connections belonging to a user removed from a user group are ended": Role-Based Access Control in
    the ElastiCache User Guide). A user that is in the group must leave before it is turned on: connections of
    its last turn, or of a password that someone else gave it, would work with its rights.

    Parameters
    ----------
    client
        Of ElastiCache. It must give up an unanswered call well within `ANNOUNCEMENT_DELAY` and not repeat it.
    ids
        Ids of the two users by their names.
    group
        Id of the user group whose members the cache lets in.
    access
        Access string of the user whose turn it is.
    connect
        Opens a connection to the cache with a user name and a password.
    clock
        Clock.
    """

    def __init__(
        self,
        client: "ElastiCacheClient",
        *,
        ids: Mapping[str, str],
        group: str,
        access: str,
        connect: Callable[[str, str], "valkey.Valkey"],
        clock: Clock,
    ) -> None:
        super().__init__(tuple(ids))
        self._client, self._ids, self._group, self._access = client, ids, group, access
        self._connect, self._clock = connect, clock
        # Ids of the versions whose passwords this process gave to users. Another process gives them again.
        self._turned_on: dict[str, str] = {}

    def verify(self, version: Version) -> None:
        """Log in over verified TLS, once a change that is on its way has taken effect."""
        self.wait_until_in_effect(TimeLimit(self._clock, CHANGE_SECONDS), user_of(version, self._names))
        deadline = self._clock.now() + timedelta(seconds=_EFFECT_SECONDS)
        while not self._logs_in(version):
            if self._clock.now() >= deadline:
                raise LogInRefusedError(f"version {version.id} does not log in to the cache")
            self._clock.sleep(_POLL_SECONDS)

    def authenticates(self, version: Version) -> bool:
        """Return whether a version logs in now; only what is in effect is given a moment."""
        name = user_of(version, self._names)
        return self._logs_in(version) or (
            self._unfinished([name]) is None
            and self.is_member(name, self.describe_group())
            and super().authenticates(version)
        )

    def openings(self, version: Version) -> dict[str, int]:
        """Return whether a version logs in, and whether its user is in the group and may have connections."""
        name = user_of(version, self._names)
        return {
            f"log-in as {name}": int(self._logs_in(version)),
            f"membership of {name} in the user group": int(self.is_member(name, self.describe_group())),
        }

    @contextmanager
    def lock(self, *, announced_at: datetime | None = None) -> Iterator[Target]:
        """Wait until everybody has noticed the rotation, if this is one; see `ANNOUNCEMENT_DELAY`."""
        if announced_at is None:
            self._give_changes_a_moment()
            yield CacheUsers(self, limit=None)
            return
        self._clock.sleep((announced_at + ANNOUNCEMENT_DELAY - self._clock.now()).total_seconds())
        limit = TimeLimit(self._clock, _ADMISSION_SECONDS)
        self.wait_until_in_effect(limit, *self._names)
        yield CacheUsers(self, limit=limit)

    def describe(self, name: str) -> "UserTypeDef":
        """Return what ElastiCache says of a user."""
        return self._client.describe_users(UserId=self._ids[name])["Users"][0]

    def describe_group(self) -> "UserGroupTypeDef":
        """Return what ElastiCache says of the group."""
        return self._client.describe_user_groups(UserGroupId=self._group)["UserGroups"][0]

    def is_member(self, name: str, group: "UserGroupTypeDef") -> bool:
        """Return whether a user is in the group, or on its way into or out of it."""
        return self._ids[name] in {
            *group["UserIds"],
            *group.get("PendingChanges", {}).get("UserIdsToAdd", []),
        }

    def _give_changes_a_moment(self) -> None:
        limit = TimeLimit(self._clock, _EFFECT_SECONDS)
        while self._unfinished(self._names) is not None and limit.wait(1.0):
            pass

    def now(self) -> datetime:
        """Return the time of day."""
        return self._clock.now()

    def pair(self, version: Version) -> tuple[str, str]:
        """Return the user of a version and the other one."""
        return user_of(version, self._names), other(version, self._names)

    def next_change(self, version: Version, *, idle: bool) -> Change:
        """Return what is next to let a version log in, and no other one of its user.

        Parameters
        ----------
        idle
            Whether no task may use the user: who is connected as it leaves the group with it.
        """
        name = user_of(version, self._names)
        closed = is_closed(self.describe(name)["AccessString"])
        if self.is_member(name, self.describe_group()):
            if closed or (idle and not self._logs_in(version)):
                return Change(partial(self.leave, name))
            return Change(partial(self._turn_on, name, version), is_last=True)
        # ElastiCache does not say which password a user has, and outside of the group it cannot be tried.
        if closed or self._turned_on.get(name) != version.id:
            return Change(partial(self._turn_on, name, version))
        return Change(partial(self._join, name), is_last=True)

    def turn_off(self, name: str) -> None:
        """Begin to take a user's rights away, also from connections that are open, and its password.

        Raises
        ------
        BusyError
            When the user is being changed.
        """
        self._turned_on.pop(name, None)
        # ElastiCache wants a password even so.
        self._modify(name, access=CLOSED, password=secrets.token_hex(32))

    def leave(self, name: str) -> None:
        """Begin to take a user out of the group, which ends its connections.

        Raises
        ------
        BusyError
            When the group is being changed.
        """
        self._turned_on.pop(name, None)
        with self._naming_who_is_busy(f"the user group {self._group}"):
            self._client.modify_user_group(UserGroupId=self._group, UserIdsToRemove=[self._ids[name]])

    def _join(self, name: str) -> None:
        with self._naming_who_is_busy(f"the user group {self._group}"):
            self._client.modify_user_group(UserGroupId=self._group, UserIdsToAdd=[self._ids[name]])

    def _turn_on(self, name: str, version: Version) -> None:
        self._modify(name, access=self._access, password=version.document["password"])
        self._turned_on[name] = version.id

    def wait_until_in_effect(self, limit: TimeLimit, *names: str) -> None:
        """Wait until no change of users and their group is on its way.

        Raises
        ------
        RotationError
            When one still is after that time.
        """
        while (unfinished := self._unfinished(names)) is not None:
            if not limit.wait(_POLL_SECONDS):
                raise RotationError(f"{unfinished}; the step can be run again")

    def _unfinished(self, names: Iterable[str]) -> str | None:
        """Return which change of users or their group is on its way, if one is."""
        for name in names:
            if (status := self.describe(name)["Status"]) != "active":
                return f"the user {self._ids[name]} is still {status}"
        status = self.describe_group()["Status"]
        return None if status == "active" else f"the user group {self._group} is still {status}"

    def _modify(self, name: str, *, access: str, password: str) -> None:
        user_id = self._ids[name]
        with self._naming_who_is_busy(f"the user {user_id}"):
            self._client.modify_user(UserId=user_id, AccessString=access, Passwords=[password])

    @contextmanager
    def _naming_who_is_busy(self, what: str) -> Iterator[None]:
        faults, busy = self._client.exceptions, False
        try:
            yield
        except (faults.InvalidUserStateFault, faults.InvalidUserGroupStateFault):
            busy = True
        if busy:
            raise BusyError(f"{what} is being changed; the step can be run again")

    def _logs_in(self, version: Version) -> bool:
        document = version.document
        try:
            with self._connect(str(document.get("username")), str(document.get("password"))) as client:
                return bool(client.ping())
        except (valkey.AuthenticationError, valkey.exceptions.NoPermissionError):
            return False


def connection(host: str, port: int, user: str, password: str) -> valkey.Valkey:
    """Return a connection to the cache over TLS that checks the certificate and the name on it.

    SSL_CERT_FILE, OpenSSL's own variable, names other roots than the system's.
    """
    return valkey.Valkey(
        host=host,
        port=port,
        username=user,
        password=password,
        ssl=True,
        ssl_cert_reqs="required",
        ssl_check_hostname=True,
        socket_connect_timeout=5,
        socket_timeout=5,
    )
