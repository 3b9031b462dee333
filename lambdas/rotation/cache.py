"""The cache's credentials: two passwords of one user."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import valkey

from gantry_runtime.clock import Clock
from rotation.store import Version
from rotation.strategy import (
    LogInRefusedError,
    NotRetiredError,
    RotationError,
    Strategy,
    Target,
    UnusableVersionError,
    random_text,
)

if TYPE_CHECKING:
    from types_boto3_elasticache import ElastiCacheClient
    from types_boto3_elasticache.type_defs import UserTypeDef

# ElastiCache's limits: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html
_PASSWORD_LENGTHS = range(32, 129)
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
    """The user is being changed by somebody else."""


class TwoPasswords(Strategy):
    """A rotation adds a password to the user's current one; retiring leaves the current one alone.

    Parameters
    ----------
    client
        Of ElastiCache. It must give up an unanswered call well within `NOTICE` and not repeat it.
    user_id
        The user's id.
    connect
        Opens a connection to the cache with a user name and a password.
    clock
        Tells the time.
    """

    def __init__(
        self,
        client: "ElastiCacheClient",
        *,
        user_id: str,
        connect: Callable[[str, str], "valkey.Valkey"],
        clock: Clock,
    ) -> None:
        self._client, self._user_id, self._connect, self._clock = client, user_id, connect, clock

    def renew(self, current: Version) -> dict[str, Any]:
        """Return the same document with a new password."""
        return {**current.document, "password": random_text()}

    def check(self, pending: Version, current: Version) -> None:
        """Refuse another user than the current version's, and what ElastiCache would refuse."""
        if pending.document.get("username") != current.document.get("username"):
            raise UnusableVersionError(f"the pending version {pending.id} is for another user")
        password = pending.document.get("password")
        if not isinstance(password, str) or len(password) not in _PASSWORD_LENGTHS:
            raise UnusableVersionError(
                f"the password of the pending version {pending.id} must be text of {_PASSWORD_LENGTHS[0]} to "
                f"{_PASSWORD_LENGTHS[-1]} characters"
            )
        if password == current.document.get("password"):
            raise UnusableVersionError(f"the pending version {pending.id} has the current password")

    def require_room(self, current: Version, previous: Version | None) -> None:
        """Refuse a third password while tasks may still log in with the second; see `AlternatingRoles`."""
        del current
        if previous is not None:
            raise NotRetiredError(
                "tasks may still log in with the previous password, which is not yet retired"
            )

    def verify(self, version: Version) -> None:
        """Log in over verified TLS, once a change that is on its way has taken effect."""
        self._wait_until_active()
        deadline = self._clock.now() + timedelta(seconds=_EFFECT_SECONDS)
        while not self._logs_in(version):
            if self._clock.now() >= deadline:
                raise LogInRefusedError(f"version {version.id} does not log in to the cache")
            self._clock.sleep(_POLL_SECONDS)

    def works(self, version: Version) -> bool:
        """Return whether a version logs in now; only what is in effect is given a moment."""
        return self._logs_in(version) or (self.is_active() and super().works(version))

    @contextmanager
    def exclusively(self, *, announced_at: datetime | None = None) -> Iterator[Target]:
        """Wait until everybody has noticed the rotation, if this is one; see `NOTICE`."""
        if announced_at is not None:
            self._clock.sleep((announced_at + NOTICE - self._clock.now()).total_seconds())
            self._wait_until_active()
        yield _User(self, in_haste=announced_at is None)

    def is_active(self) -> bool:
        """Return whether no change of the user is on its way."""
        return self.describe()["Status"] == "active"

    def describe(self) -> "UserTypeDef":
        """Return what ElastiCache says of the user."""
        return self._client.describe_users(UserId=self._user_id)["Users"][0]

    def now(self) -> datetime:
        """Return the time of day."""
        return self._clock.now()

    def set_passwords(self, *versions: Version) -> None:
        """Begin to replace all passwords of the user by those of the versions.

        Raises
        ------
        _BusyError
            When the user is being changed.
        """
        passwords = [version.document["password"] for version in versions]
        try:
            self._client.modify_user(UserId=self._user_id, Passwords=passwords)
        except self._client.exceptions.InvalidUserStateFault:
            busy = True
        else:
            busy = False
        if busy:
            raise _BusyError(f"the user {self._user_id} is being changed; the step can be run again")

    def _wait_until_active(self) -> None:
        deadline = self._clock.now() + timedelta(seconds=CHANGE_SECONDS)
        while (status := self.describe()["Status"]) != "active":
            if self._clock.now() >= deadline:
                raise RotationError(f"the user {self._user_id} is still {status}; the step can be run again")
            self._clock.sleep(_POLL_SECONDS)

    def _logs_in(self, version: Version) -> bool:
        document = version.document
        try:
            with self._connect(str(document.get("username")), str(document.get("password"))) as client:
                return bool(client.ping())
        except valkey.AuthenticationError:
            return False


class _User(Target):
    """The user and its passwords.

    Parameters
    ----------
    in_haste
        Whether changes are made soon or not at all, because a rotation may begin any time. What was not made
        is made when the secret is looked after again.
    """

    def __init__(self, strategy: TwoPasswords, *, in_haste: bool) -> None:
        self._strategy = strategy
        self._until = strategy.now() + _HASTE if in_haste else None

    def admit(self, version: Version, *, beside: Version) -> None:
        # Another change, even to the same passwords, would have to be waited for anew.
        if not all(map(self._strategy.works, (version, beside))):
            self._set_passwords(version, beside)

    def restrict(self, version: Version, *, works: bool) -> bool:
        user = self._strategy.describe()
        if user["Status"] != "active":
            return False
        if works and user["Authentication"]["PasswordCount"] == 1:
            return True
        self._set_passwords(version)
        return False

    def _set_passwords(self, *versions: Version) -> None:
        if self._until is None:
            self._strategy.set_passwords(*versions)
        elif self._strategy.now() < self._until:
            with suppress(_BusyError):
                self._strategy.set_passwords(*versions)


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
