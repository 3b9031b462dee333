"""The proxy in front of the database, which knows each of the two roles by a secret of its own."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import pg8000.exceptions

from gantry_runtime.clock import Clock
from gantry_runtime.failures import describe
from gantry_runtime.secrets import ensure_json, read_json
from rotation.store import Version
from rotation.strategy import LogInRefusedError, random_text

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

# AWS does not say how soon a proxy reads a new version; a step that waits in vain can be run again.
_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 2.0


class Proxy:
    """Lets clients in, and itself into the database, with what the secret of their role says.

    Only who holds the rotation's lock may change a secret.

    Parameters
    ----------
    client
        Of Secrets Manager.
    host
        Where clients reach the proxy.
    secrets
        ARN of the secret of each role.
    clock
        Clock.
    """

    def __init__(
        self, client: "SecretsManagerClient", *, host: str, secrets: Mapping[str, str], clock: Clock
    ) -> None:
        self._client, self._secrets, self._clock = client, secrets, clock
        self.host = host

    def learn(self, version: Version) -> None:
        """Write the password of a version's role for the proxy, which reads it some time later."""
        ensure_json(self._client, self._secrets[version.document["username"]], _log_in_of(version))

    def forget(self, role: str) -> None:
        """Leave the proxy a password for a role that opens nothing, since it must have one."""
        if not read_json(self._client, self._secrets[role]).get("retired"):
            document = {"username": role, "password": random_text(), "retired": True}
            ensure_json(self._client, self._secrets[role], document)

    def verify(self, version: Version, log_in: Callable[[], None]) -> None:
        """Log in through the proxy, as soon as it knows a version that was written for it.

        Parameters
        ----------
        log_in
            Tries once.

        Raises
        ------
        LogInRefusedError
            When something else was written for the proxy, or it refuses the version for five minutes.
        """
        role = str(version.document.get("username"))
        if role not in self._secrets or read_json(self._client, self._secrets[role]) != _log_in_of(version):
            raise LogInRefusedError(f"the proxy's secret of {role} is not of version {version.id}")
        deadline = self._clock.now() + timedelta(seconds=_PATIENCE_SECONDS)
        while (failure := _failure(log_in)) is not None:
            if self._clock.now() >= deadline:
                raise LogInRefusedError(f"through the proxy: {failure}")
            self._clock.sleep(_POLL_SECONDS)


def _log_in_of(version: Version) -> dict[str, object]:
    return {key: version.document.get(key) for key in ("username", "password")}


def _failure(log_in: Callable[[], None]) -> str | None:
    """Try once; whatever a proxy says that does not know a password yet, by codes that AWS does not list."""
    try:
        log_in()
    except (LogInRefusedError, pg8000.exceptions.Error) as error:
        return describe(error)
    return None
