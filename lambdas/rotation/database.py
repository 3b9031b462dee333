"""The database's credentials: two roles that take turns."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import pg8000.native

from gantry_runtime import postgres
from gantry_runtime.scram import verifier
from rotation.proxy import Proxy
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

ROLES = ("app_a", "app_b")
OWNER = "app_owner"
_ADDRESS = ("engine", "host", "port", "dbname")
_SHORTEST_PASSWORD = 32
# invalid_authorization_specification, invalid_password
_REFUSALS = frozenset({"28000", "28P01"})
LOCK_TIMEOUT = "20s"
_LOCK_NOT_AVAILABLE = "55P03"


class AlternatingRoles(Strategy):
    """A rotation gives the idle role a new password; retiring takes the log-in of the other one away.

    Parameters
    ----------
    rotator
        Reads the secret of the role that may do both, with the address of the database.
    proxy
        Through which the service reaches the database, if not directly.
    """

    def __init__(self, rotator: Callable[[], Mapping[str, Any]], proxy: Proxy | None = None) -> None:
        self._rotator, self._proxy = rotator, proxy

    def renew(self, current: Version) -> dict[str, Any]:
        """Return the same document with the other role and a new password."""
        return {**current.document, "username": _other(current), "password": random_text()}

    def check(self, pending: Version, current: Version) -> None:
        """Refuse another place than the current version's and any role but the other one of the pair."""
        for key in _ADDRESS:
            if pending.document.get(key) != current.document.get(key):
                raise UnusableVersionError(
                    f"{key} of the pending version {pending.id} differs from the current one's"
                )
        if pending.document.get("username") != _other(current):
            raise UnusableVersionError(
                f"the pending version {pending.id} is not for the role {_other(current)}"
            )
        password = pending.document.get("password")
        if not isinstance(password, str) or len(password) < _SHORTEST_PASSWORD or not password.isascii():
            raise UnusableVersionError(
                f"the password of the pending version {pending.id} must be ASCII text of at least "
                f"{_SHORTEST_PASSWORD} characters"
            )

    def require_room(self, current: Version, previous: Version | None) -> None:
        """Refuse to touch the other role while tasks may still log in with it."""
        if previous is not None and previous.document.get("username") == _other(current):
            raise NotRetiredError(f"tasks may still log in as {_other(current)}, which is not yet retired")

    def verify(self, version: Version) -> None:
        """Log in over verified TLS, directly and as the service does, and see that it works as the owner."""
        self._log_in(version)
        if self._proxy is not None:
            self._proxy.verify(version, partial(self._log_in, version, host=self._proxy.host))

    def _log_in(self, version: Version, *, host: str | None = None) -> None:
        name = str(version.document.get("username"))
        try:
            with self._connect(name, str(version.document.get("password")), host=host) as connection:
                ((session, current),) = connection.run("SELECT session_user, current_user")
        except pg8000.native.DatabaseError as error:
            if error.args[0].get("C") not in _REFUSALS:
                raise
            session = current = None
        if (session, current) != (name, OWNER):
            raise LogInRefusedError(f"version {version.id} does not log in as {name} acting as {OWNER}")

    @contextmanager
    def exclusively(self, *, announced_at: datetime | None = None) -> Iterator[Target]:
        """Hold the rotation's advisory lock, which ends with the connection, whatever becomes of this one."""
        del announced_at  # the lock is stronger
        rotator = self._rotator()
        with self._connect(rotator["username"], rotator["password"], rotator) as connection:
            self._lock(connection)
            yield _Roles(connection, self._proxy)

    @staticmethod
    def _lock(connection: pg8000.native.Connection) -> None:
        connection.run(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        try:
            connection.run("SELECT pg_advisory_lock(hashtext('gantry.rotation'))")
        except pg8000.native.DatabaseError as error:
            if error.args[0].get("C") != _LOCK_NOT_AVAILABLE:
                raise
            raise RotationError("somebody else is changing the roles; the step can be run again") from None

    def _connect(
        self,
        user: str,
        password: str,
        rotator: Mapping[str, Any] | None = None,
        *,
        host: str | None = None,
    ) -> AbstractContextManager[pg8000.native.Connection]:
        # Where the rotator's own secret says: nobody who writes the application's can lead it elsewhere.
        place = rotator or self._rotator()
        return postgres.connection(
            host=host or place["host"],
            port=int(place["port"]),
            database=place["dbname"],
            user=user,
            password=password,
        )


class _Roles(Target):
    """The pair of roles, as the rotator may change them, and what the proxy knows of each."""

    def __init__(self, connection: pg8000.native.Connection, proxy: Proxy | None) -> None:
        self._connection, self._proxy = connection, proxy

    def admit(self, version: Version, *, beside: Version) -> None:
        if version.document["username"] == beside.document["username"]:
            raise UnusableVersionError(
                f"versions {version.id} and {beside.id} are for one role, which has one password"
            )
        self._admit(version)

    def restrict(self, version: Version, *, works: bool) -> bool:
        if not works:
            self._admit(version)
        for statement in ("SELECT gantry.retire(:role)", "SELECT gantry.end_sessions(:role)"):
            self._connection.run(statement, role=_other(version))
        if self._proxy is not None:
            self._proxy.forget(_other(version))
        return True

    def _admit(self, version: Version) -> None:
        # A verifier, so that no statement, and no log of statements, carries the password.
        self._connection.run(
            "SELECT gantry.admit(:role, :verifier)",
            role=version.document["username"],
            verifier=verifier(version.document["password"]),
        )
        if self._proxy is not None:
            self._proxy.learn(version)


def _other(version: Version) -> str:
    name = version.document.get("username")
    if name not in ROLES:
        raise UnusableVersionError(f"version {version.id} is for none of the roles {', '.join(ROLES)}")
    return ROLES[1 - ROLES.index(name)]
