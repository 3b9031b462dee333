"""The cache's credentials: two users that take turns."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import valkey

from gantry_runtime.access_strings import CLOSED, is_closed
from gantry_runtime.clock import Clock
from rotation.alternation import AlternatingUsers, other, require_different_users, user_of
from rotation.store import Version
from rotation.strategy import LogInRefusedError, RotationError, Target

if TYPE_CHECKING:
    from types_boto3_elasticache import ElastiCacheClient
    from types_boto3_elasticache.type_defs import UserTypeDef

# A change takes minutes: four on average, and more than five at times, as users of Terraform report
# (hashicorp/terraform-provider-aws 20530, 20729); AWS's own rotation function waits ten.
CHANGE_SECONDS = 600.0
_EFFECT_SECONDS = 10.0
_POLL_SECONDS = 5.0
# ElastiCache has neither a lock nor a conditional change. What keeps a rotation and a retirement apart is
# that a pending version announces the one, the other looks for it just before it acts, and the one waits
# until whoever looked before the announcement must have acted or given up: a change begins within `_HASTE` of
# the look, and the call that makes it gives up soon after (`wiring`).
NOTICE = timedelta(seconds=10)
_HASTE = timedelta(seconds=4)


class _BusyError(RotationError):
    """A user is being changed by somebody else."""


class AlternatingCacheUsers(AlternatingUsers):
    """A rotation turns the idle user on with a new password; retiring takes all rights of the other one away.

    Parameters
    ----------
    client
        Of ElastiCache. It must give up an unanswered call well within `NOTICE` and not repeat it.
    ids
        Ids of the two users by their names.
    access
        Access string of the user whose turn it is.
    connect
        Opens a connection to the cache with a user name and a password.
    clock
        Tells the time.
    """

    def __init__(
        self,
        client: "ElastiCacheClient",
        *,
        ids: Mapping[str, str],
        access: str,
        connect: Callable[[str, str], "valkey.Valkey"],
        clock: Clock,
    ) -> None:
        super().__init__(tuple(ids))
        self._client, self._ids, self._access = client, ids, access
        self._connect, self._clock = connect, clock

    def verify(self, version: Version) -> None:
        """Log in over verified TLS, once a change that is on its way has taken effect."""
        self._wait_until_active([user_of(version, self._names)])
        deadline = self._clock.now() + timedelta(seconds=_EFFECT_SECONDS)
        while not self._logs_in(version):
            if self._clock.now() >= deadline:
                raise LogInRefusedError(f"version {version.id} does not log in to the cache")
            self._clock.sleep(_POLL_SECONDS)

    def works(self, version: Version) -> bool:
        """Return whether a version logs in now; only what is in effect is given a moment."""
        return self._logs_in(version) or (
            self.describe(user_of(version, self._names))["Status"] == "active" and super().works(version)
        )

    def openings(self, version: Version) -> dict[str, int]:
        """Return whether a version logs in."""
        return {f"log-in as {user_of(version, self._names)}": int(self._logs_in(version))}

    @contextmanager
    def exclusively(self, *, announced_at: datetime | None = None) -> Iterator[Target]:
        """Wait until everybody has noticed the rotation, if this is one; see `NOTICE`."""
        if announced_at is not None:
            self._clock.sleep((announced_at + NOTICE - self._clock.now()).total_seconds())
            self._wait_until_active(self._names)
        yield _Users(self, in_haste=announced_at is None)

    def describe(self, name: str) -> "UserTypeDef":
        """Return what ElastiCache says of a user."""
        return self._client.describe_users(UserId=self._ids[name])["Users"][0]

    def await_effect(self) -> bool:
        """Give changes that are on their way a moment; return whether none is any more."""
        deadline = self._clock.now() + timedelta(seconds=_EFFECT_SECONDS)
        while any(self.describe(name)["Status"] != "active" for name in self._names):
            if self._clock.now() >= deadline:
                return False
            self._clock.sleep(1.0)
        return True

    def now(self) -> datetime:
        """Return the time of day."""
        return self._clock.now()

    def pair(self, version: Version) -> tuple[str, str]:
        """Return the user of a version and the other one."""
        return user_of(version, self._names), other(version, self._names)

    def turn_on(self, version: Version) -> None:
        """Begin to let a version log in, and no other one of its user.

        Raises
        ------
        _BusyError
            When the user is being changed.
        """
        name, password = user_of(version, self._names), version.document["password"]
        self._modify(name, access=self._access, password=password)

    def turn_off(self, name: str) -> None:
        """Begin to take a user's rights away, also from connections that are open, and its password.

        Raises
        ------
        _BusyError
            When the user is being changed.
        """
        # ElastiCache wants a password even so.
        self._modify(name, access=CLOSED, password=secrets.token_hex(32))

    def _modify(self, name: str, *, access: str, password: str) -> None:
        user_id = self._ids[name]
        try:
            self._client.modify_user(UserId=user_id, AccessString=access, Passwords=[password])
        except self._client.exceptions.InvalidUserStateFault:
            busy = True
        else:
            busy = False
        if busy:
            raise _BusyError(f"the user {user_id} is being changed; the step can be run again")

    def _wait_until_active(self, names: Iterable[str]) -> None:
        deadline = self._clock.now() + timedelta(seconds=CHANGE_SECONDS)
        for name in names:
            while (status := self.describe(name)["Status"]) != "active":
                if self._clock.now() >= deadline:
                    raise RotationError(
                        f"the user {self._ids[name]} is still {status}; the step can be run again"
                    )
                self._clock.sleep(_POLL_SECONDS)

    def _logs_in(self, version: Version) -> bool:
        document = version.document
        try:
            with self._connect(str(document.get("username")), str(document.get("password"))) as client:
                return bool(client.ping())
        except (valkey.AuthenticationError, valkey.exceptions.NoPermissionError):
            return False


class _Users(Target):
    """The pair of users.

    Parameters
    ----------
    in_haste
        Whether changes are made soon or not at all, because a rotation may begin any time. What was not made
        is made when the secret is looked after again.
    """

    def __init__(self, strategy: AlternatingCacheUsers, *, in_haste: bool) -> None:
        self._strategy = strategy
        self._until = strategy.now() + _HASTE if in_haste else None

    def admit(self, version: Version, *, beside: Version) -> None:
        require_different_users(version, beside)
        # Another change, even to the same password, would have to be waited for again. In haste there is no
        # time to look: whoever looks after the secret has just seen that the version does not log in.
        if self._until is not None or not self._strategy.works(version):
            self._change(partial(self._strategy.turn_on, version))

    def restrict(self, version: Version, *, works: bool) -> bool:
        # What takes longer is found in effect when the secret is looked after again.
        if not self._strategy.await_effect():
            return False
        name, idle = self._strategy.pair(version)
        user, idle_user = self._strategy.describe(name), self._strategy.describe(idle)
        # A second password is what earlier versions of this function rotated.
        alone = works and user["Authentication"]["PasswordCount"] == 1
        closed = is_closed(idle_user["AccessString"])
        if not alone:
            self._change(partial(self._strategy.turn_on, version))
        if not closed:
            self._change(partial(self._strategy.turn_off, idle))
        return alone and closed

    def _change(self, change: Callable[[], None]) -> None:
        if self._until is None:
            change()
        elif self._strategy.now() < self._until:
            with suppress(_BusyError):
                change()


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
