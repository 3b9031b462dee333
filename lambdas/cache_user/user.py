"""A user of ElastiCache, whose changes take effect minutes after they were asked for."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from gantry_runtime.access_strings import is_on
from gantry_runtime.clock import TimeLimit
from gantry_runtime.failures import SafeError

if TYPE_CHECKING:
    from types_boto3_elasticache import ElastiCacheClient
    from types_boto3_elasticache.type_defs import UserTypeDef

_ENGINE = "valkey"
_POLL_SECONDS = 2.0
# How long the account's first call may be refused while ElastiCache's service-linked role, which the call
# itself makes, becomes known; a Create that makes no user within this time makes none at all.
_MAKE_SECONDS = 180.0


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
    limit
        The time within which everything must be done.
    """

    def __init__(self, client: "ElastiCacheClient", user_id: str, limit: TimeLimit) -> None:
        self._client, self._id, self._limit = client, user_id, limit

    def create(self, *, name: str, access: str, password: str) -> None:
        """Make the user, or finish what an earlier attempt began."""
        making = self._limit.within(_MAKE_SECONDS)
        while not self._made(name, access, password):
            if not making.wait(_POLL_SECONDS):
                raise CacheUserError(f"ElastiCache's service-linked role does not come; no user {self._id}")
        self._wait_until_active()

    def change(self, *, access: str) -> None:
        """Change the access string of a user that is on, and nothing else.

        Passwords are the rotation's, and a list would replace them. So is which user is on: a rotation gives
        the one that is off this access string when its turn comes.
        """
        self._modify(only_if_on=True, AccessString=access)
        self._wait_until_active()

    def delete(self, *, may_come: bool) -> None:
        """Delete the user; no effect when there is none.

        Parameters
        ----------
        may_come
            Whether another invocation may be about to make the user.
        """
        coming = self._limit.within(_MAKE_SECONDS if may_come else 0)
        while self._find() is None:
            if not coming.wait(_POLL_SECONDS):
                return
        asked = False
        while (user := self._find()) is not None:
            status = user["Status"]
            if status == "active" and not asked:
                self._client.delete_user(UserId=self._id)
                asked = True
            self._wait(f"the user {self._id} is {status} and not deleted in time")

    def _made(self, name: str, access: str, password: str) -> bool:
        """Make the user, or change the one that there is; return False when that must be repeated."""
        if self._find() is not None:
            self._modify(AccessString=access, Passwords=[password])
            return True
        try:
            self._client.create_user(
                UserId=self._id, UserName=name, Engine=_ENGINE, AccessString=access, Passwords=[password]
            )
        except ClientError as error:
            if not _comes_too_early(error):
                raise
            return False
        return True

    def _modify(self, *, only_if_on: bool = False, **changes: Any) -> None:  # noqa: ANN401 - as boto3 takes them
        """Begin a change, once no other one, such as a rotation's, is on its way."""
        while True:
            user = self._wait_until_active()
            if only_if_on and not is_on(user["AccessString"]):
                return
            try:
                self._client.modify_user(UserId=self._id, **changes)
            except self._client.exceptions.InvalidUserStateFault:
                self._wait(f"the user {self._id} is changed by others all the time")
            else:
                return

    def _wait_until_active(self) -> "UserTypeDef":
        while (user := self._find()) is None or user["Status"] != "active":
            status = user["Status"] if user else "gone"
            if status == "deleting":
                raise CacheUserError(f"the user {self._id} is being deleted")
            self._wait(f"the user {self._id} is {status} and not active in time")
        return user

    def _wait(self, failure: str) -> None:
        if not self._limit.wait(_POLL_SECONDS):
            raise CacheUserError(failure)

    def _find(self) -> "UserTypeDef | None":
        try:
            users = self._client.describe_users(UserId=self._id)["Users"]
        except self._client.exceptions.UserNotFoundFault:
            return None
        return users[0] if users else None


def _comes_too_early(error: ClientError) -> bool:
    """Return whether ElastiCache does not know its service-linked role yet (API Reference, "CreateUser")."""
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"].lower()
    named = "service linked role" in message.replace("-", " ")
    return code == "ServiceLinkedRoleNotFoundFault" or (code.startswith("InvalidParameter") and named)
