"""ElastiCache: users whose changes take effect later, on a real Valkey server."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.valkey import ValkeyServer
from tests.aws.transport import Answer, AwsError, SimulatedClock

_PREFIX = "arn:aws:elasticache:us-east-1:000000000000:user:"


@dataclass
class User:
    id: str
    name: str
    access: str
    passwords: list[str]
    status: str
    effective_at: datetime


class ElastiCache:
    """The service.

    Attributes
    ----------
    users
        By their ids.
    effect
        Tells how long a change takes: by default minutes, rarely ten.
    first_call
        Happens at every call that may need the service-linked role, and refuses what lacks it.
    """

    def __init__(self, server: ValkeyServer, clock: SimulatedClock) -> None:
        self._server, self._clock = server, clock
        self.users: dict[str, User] = {}
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

    def settle(self) -> None:
        """Let every change take effect that is due."""
        for user in list(self.users.values()):
            if user.status == "active" or self._clock.now() < user.effective_at:
                continue
            if user.status == "deleting":
                self._server.remove_user(user.name)
                del self.users[user.id]
            else:
                self._server.set_user(user.name, passwords=user.passwords, access=user.access)
                user.status = "active"

    def _find(self, user_id: str) -> User:
        self.settle()
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
