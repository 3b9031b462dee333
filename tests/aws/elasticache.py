"""ElastiCache: users whose changes take effect later, on a real Valkey server."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.valkey import ValkeyServer
from tests.aws.transport import Answer, AwsError, SimulatedClock

GROUP = "gantry-test"
_PREFIX = "arn:aws:elasticache:us-east-1:000000000000:user:"


@dataclass
class User:
    id: str
    name: str
    access: str
    passwords: list[str]
    status: str
    effective_at: datetime


@dataclass
class UserGroup:
    members: list[str]
    pending: list[str]  # what `members` will be
    effective_at: datetime


class ElastiCache:
    """The service, with one user group, whose members the server knows and no one else.

    Attributes
    ----------
    users
        By their ids.
    group
        The user group.
    effect
        Returns how long a change takes: by default minutes, rarely ten.
    first_call
        Happens at every call that may need the service-linked role, and refuses what lacks it.
    """

    def __init__(self, server: ValkeyServer, clock: SimulatedClock) -> None:
        self._server, self._clock = server, clock
        self.users: dict[str, User] = {}
        self.group = UserGroup([], [], clock.now())
        self.effect: Callable[[], timedelta] = _durations(seed=1)
        self.first_call: Callable[[], None] = lambda: None

    def create_user(
        self, user_id: str, user_name: str, engine: str, access_string: str, passwords: Sequence[str]
    ) -> Answer:
        self.first_call()
        if user_id in self.users:
            raise AwsError("UserAlreadyExists")
        assert engine == "valkey"
        _check(passwords)
        self.users[user_id] = User(
            user_id, user_name, access_string, list(passwords), "creating", self._clock.now() + self.effect()
        )
        return _described(self.users[user_id])

    def describe_users(self, user_id: str) -> Answer:
        self._clock.sleep(0.5)
        return {"Users": [_described(self._find(user_id))]}

    def modify_user(
        self, user_id: str, access_string: str | None = None, passwords: Sequence[str] | None = None
    ) -> Answer:
        self.first_call()
        user = self._find(user_id)
        if user.status != "active":
            raise AwsError("InvalidUserState", f"User {user_id} is not in active state.")
        if passwords is not None:
            _check(passwords)
            user.passwords = list(passwords)
        user.access = access_string or user.access
        user.status, user.effective_at = "modifying", self._clock.now() + self.effect()
        return _described(user)

    def delete_user(self, user_id: str) -> Answer:
        self.first_call()
        user = self._find(user_id)
        if user.status != "active":
            raise AwsError("InvalidUserState", f"User {user_id} is not in active state.")
        user.status, user.effective_at = "deleting", self._clock.now() + self.effect()
        return _described(user)

    def create_group(self, *user_ids: str) -> None:
        """Make the group as CloudFormation does, after its users."""
        self.group.members = self.group.pending = list(user_ids)
        for user_id in user_ids:
            self._apply(self.users[user_id])

    def describe_user_groups(self, user_group_id: str) -> Answer:
        assert user_group_id == GROUP
        self._clock.sleep(0.5)
        self.finish_changes()
        return {"UserGroups": [self._described_group()]}

    def modify_user_group(
        self,
        user_group_id: str,
        user_ids_to_add: Sequence[str] = (),
        user_ids_to_remove: Sequence[str] = (),
    ) -> Answer:
        assert user_group_id == GROUP
        self.first_call()
        self.finish_changes()
        if self._group_status() != "active":
            raise AwsError("InvalidUserGroupState", f"User group {GROUP} is not in active state.")
        if any(self._find(each).status != "active" for each in (*user_ids_to_add, *user_ids_to_remove)):
            raise AwsError("InvalidUserState", "A user is not in active state.")
        for each in user_ids_to_remove:
            if each not in self.group.members:
                raise AwsError("InvalidParameterValue", f"User {each} is not a member of user group {GROUP}.")
        if not set(user_ids_to_add).isdisjoint(self.group.members):
            raise AwsError("DuplicateUserName", "Users in a user group need unique user names.")
        kept = [each for each in self.group.members if each not in user_ids_to_remove]
        self.group.pending = [*kept, *user_ids_to_add]
        self.group.effective_at = self._clock.now() + self.effect()
        return self._described_group()

    def finish_changes(self) -> None:
        """Let every change take effect that is due."""
        if self._group_status() == "modifying" and self._clock.now() >= self.group.effective_at:
            before, self.group.members = self.group.members, self.group.pending
            for user_id in {*before, *self.group.members}:
                self._apply(self.users[user_id])
        for user in list(self.users.values()):
            if user.status == "active" or self._clock.now() < user.effective_at:
                continue
            if user.status == "deleting":
                self._server.remove_user(user.name)
                del self.users[user.id]
            else:
                user.status = "active"
                self._apply(user)

    def _apply(self, user: User) -> None:
        """Have the server know a member as it is, and no one else; who is removed is disconnected."""
        if user.id in self.group.members:
            self._server.set_user(user.name, passwords=user.passwords, access=user.access)
        else:
            self._server.remove_user(user.name)

    def _group_status(self) -> str:
        return "active" if self.group.pending == self.group.members else "modifying"

    def _described_group(self) -> Answer:
        members, pending = self.group.members, self.group.pending
        return {
            "UserGroupId": GROUP,
            "Status": self._group_status(),
            "Engine": "valkey",
            "UserIds": list(members),
            "PendingChanges": {
                "UserIdsToAdd": [each for each in pending if each not in members],
                "UserIdsToRemove": [each for each in members if each not in pending],
            },
        }

    def _find(self, user_id: str) -> User:
        self.finish_changes()
        if user_id not in self.users:
            raise AwsError("UserNotFound", f"User {user_id} not found.")
        return self.users[user_id]


def _durations(seed: int) -> Callable[[], timedelta]:
    """Return what draws durations: half of them under two minutes, one in twenty over nine."""
    draw = random.Random(seed)
    return lambda: timedelta(seconds=min(590.0, draw.lognormvariate(4.7, 0.95)))


def _check(passwords: Sequence[str]) -> None:
    if not 1 <= len(passwords) <= 2:
        raise AwsError("InvalidParameterValue", "A user can have at most 2 passwords.")
    if any(not 16 <= len(password) <= 128 for password in passwords):
        raise AwsError("InvalidParameterValue", "Passwords length must be between 16-128 characters.")


def _described(user: User) -> Answer:
    return {
        "UserId": user.id,
        "UserName": user.name,
        "Status": user.status,
        "Engine": "valkey",
        # Described in words of ElastiCache's own.
        "AccessString": user.access.replace("-@all", "resetchannels -@all"),
        "ARN": _PREFIX + user.id,
        "Authentication": {"Type": "password", "PasswordCount": len(user.passwords)},
    }
