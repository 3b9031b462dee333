"""A user of ElastiCache, whose changes take effect some time after they were asked for."""

from typing import TYPE_CHECKING

from gantry_runtime.clock import Clock
from gantry_runtime.failures import SafeError

if TYPE_CHECKING:
    from types_boto3_elasticache import ElastiCacheClient

_ENGINE = "valkey"
_POLL_SECONDS = 2.0
_DEADLINE_SECONDS = 480.0  # under the function's own limit


class CacheUserError(SafeError):
    """The user cannot be brought into the state that was asked for."""


class CacheUser:
    """One user.

    Parameters
    ----------
    client
        Of ElastiCache.
    user_id
        The user's id.
    clock
        Tells the time.
    """

    def __init__(self, client: "ElastiCacheClient", user_id: str, clock: Clock) -> None:
        self._client, self._id, self._clock = client, user_id, clock

    def create(self, *, name: str, access: str, password: str) -> None:
        """Make the user, or finish what an earlier attempt began."""
        if self._status() is None:
            self._client.create_user(
                UserId=self._id, UserName=name, Engine=_ENGINE, AccessString=access, Passwords=[password]
            )
        else:
            self._wait("active")
            self._client.modify_user(UserId=self._id, AccessString=access, Passwords=[password])
        self._wait("active")

    def change(self, *, access: str) -> None:
        """Change the access string alone: passwords are the rotation's, and a list would replace them."""
        self._wait("active")
        self._client.modify_user(UserId=self._id, AccessString=access)
        self._wait("active")

    def delete(self) -> None:
        """Delete the user; no effect when there is none."""
        if self._status() is None:
            return
        self._wait("active")
        self._client.delete_user(UserId=self._id)
        self._wait(None)

    def _wait(self, wanted: str | None) -> None:
        waited = 0.0
        while (status := self._status()) != wanted:
            if waited >= _DEADLINE_SECONDS:
                raise CacheUserError(f"the user {self._id} is {status} and not {wanted or 'deleted'} in time")
            self._clock.sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS

    def _status(self) -> str | None:
        try:
            users = self._client.describe_users(UserId=self._id)["Users"]
        except self._client.exceptions.UserNotFoundFault:
            return None
        return users[0]["Status"] if users else None
