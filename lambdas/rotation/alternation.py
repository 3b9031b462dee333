"""Two users that take turns: what the rotations of database and cache have in common."""

from collections.abc import Sequence
from typing import Any

from rotation.store import Version
from rotation.strategy import NotRetiredError, Strategy, UnusableVersionError, random_text

_ADDRESS = ("engine", "host", "port", "dbname")
# ElastiCache takes 16 to 128 characters: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html
_PASSWORD_LENGTHS = range(32, 129)


class AlternatingUsers(Strategy):
    """A rotation gives the idle user a new password; retiring shuts the other one out.

    Parameters
    ----------
    names
        Names of the two users.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def generate(self, current: Version) -> dict[str, Any]:
        """Return the same document with the other user and a new password."""
        return {**current.document, "username": other(current, self._names), "password": random_text()}

    def check(self, pending: Version, current: Version) -> None:
        """Refuse another place than the current version's and any user but the other one of the pair."""
        for key in _ADDRESS:
            if pending.document.get(key) != current.document.get(key):
                raise UnusableVersionError(
                    f"{key} of the pending version {pending.id} differs from the current one's"
                )
        name = other(current, self._names)
        if pending.document.get("username") != name:
            raise UnusableVersionError(f"the pending version {pending.id} is not for {name}")
        password = pending.document.get("password")
        if not isinstance(password, str) or len(password) not in _PASSWORD_LENGTHS or not password.isascii():
            raise UnusableVersionError(
                f"the password of the pending version {pending.id} must be ASCII text of "
                f"{_PASSWORD_LENGTHS[0]} to {_PASSWORD_LENGTHS[-1]} characters"
            )

    def ensure_previous_retired(self, current: Version, previous: Version | None) -> None:
        """Refuse to touch the other user while tasks may still log in with it.

        A previous version may be for the current user, too, when the secret was changed by hand meanwhile:
        then tasks that started before that use one that has no label any more.
        """
        if previous is not None:
            name = other(current, self._names)
            raise NotRetiredError(f"tasks may still log in as {name}, which is not yet retired")


def user_of(version: Version, names: Sequence[str]) -> str:
    """Return the user whom a version is for.

    Raises
    ------
    UnusableVersionError
        When it is for none of the two.
    """
    name = version.document.get("username")
    if name not in names:
        raise UnusableVersionError(f"version {version.id} is for none of {', '.join(names)}")
    return str(name)


def other(version: Version, names: Sequence[str]) -> str:
    """Return the user whose turn comes after a version's; see `user_of`."""
    return names[1 - names.index(user_of(version, names))]


def require_different_users(version: Version, other: Version) -> None:
    """Refuse to let two versions log in that are for one user.

    Raises
    ------
    UnusableVersionError
        When they are.
    """
    if version.document["username"] == other.document["username"]:
        raise UnusableVersionError(
            f"versions {version.id} and {other.id} are for one user, which has one password"
        )
