"""RDS Proxy, as far as log-ins see it."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

import pg8000.native

from gantry_runtime import postgres
from tests.aws.secrets_manager import Secret
from tests.aws.transport import SimulatedClock

HOST = "proxy.example.com"
# How long the proxy takes to learn of a new version, always; AWS does not say.
STALE = timedelta(seconds=45)


class ProxySecret(Secret):
    """The secret of a role, with every password that it said and since when."""

    def __init__(self, role: str, clock: SimulatedClock) -> None:
        self.written: list[tuple[datetime, str]] = []
        name = role.replace("app_", "database-proxy-")
        super().__init__(name, {"username": role, "password": 48 * "p"}, clock)

    def put(self, id_: str, value: str | None, label: str) -> None:
        super().put(id_, value, label)
        self.written.append((self.clock.now(), json.loads(value or "{}")["password"]))


class DatabaseProxy:
    """Admits whom the secret of the role named a while ago, and logs in itself with the same.

    Parameters
    ----------
    secrets
        The secret of each role.
    server
        Host of the database behind it.
    """

    def __init__(self, secrets: Mapping[str, ProxySecret], *, server: str, clock: SimulatedClock) -> None:
        self.secrets, self._server, self._clock = secrets, server, clock
        self._connect: Callable[..., AbstractContextManager[pg8000.native.Connection]] = postgres.connection

    def connection(
        self, *, host: str, user: str, password: str, **place: str | int
    ) -> AbstractContextManager[pg8000.native.Connection]:
        """Replace the function of this name: behind one host is the proxy."""
        if host == HOST:
            if not self.knows(user, password):
                raise pg8000.native.DatabaseError({"C": "28P01", "M": f"no such credentials for {user}"})
            host = self._server
        return self._connect(host=host, user=user, password=password, **place)

    def knows(self, user: str, password: str) -> bool:
        """Return whether the proxy would let a client go on to the database, now."""
        return user in self.secrets and self._password(user) == password

    def _password(self, user: str) -> str:
        known = self._clock.now() - STALE
        passwords = [password for at, password in self.secrets[user].written if at <= known]
        return passwords[-1] if passwords else ""
