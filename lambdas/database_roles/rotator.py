"""The rotator's own password, which the master user changes.

The new one is in the secret before it is in the database, labelled AWSPENDING, and becomes the current
version after. So whatever ends a change in between, one of the two versions logs in, the rotation of the
application's roles tries both, and the next change first finishes the one before.
"""

import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from pg8000.native import Connection, DatabaseError

from contract.database import ROTATOR
from database_roles import roles
from gantry_runtime.aurora import Cluster
from gantry_runtime.clock import TimeLimit
from gantry_runtime.postgres import privileged
from gantry_runtime.scram import verifier
from gantry_runtime.secrets import holders, put_json, read_json

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

_CURRENT, _PENDING = "AWSCURRENT", "AWSPENDING"
_POLL_SECONDS = 1.0
# invalid_authorization_specification (the role may not log in), invalid_password
_REFUSALS = frozenset({"28000", "28P01"})


class RotatorSecret:
    """The secret that holds the rotator's password.

    Parameters
    ----------
    client
        Of Secrets Manager.
    arn
        The secret's ARN.
    """

    def __init__(self, client: "SecretsManagerClient", arn: str) -> None:
        self._client, self._arn = client, arn

    def read(self) -> dict[str, Any]:
        """Return the current version's document."""
        return read_json(self._client, self._arn)

    def change(self, master: Connection) -> None:
        """Give the rotator a new password, after finishing a change that was cut off; safe to repeat.

        Parameters
        ----------
        master
            A session of the master user in the database `ADMINISTRATION`, which has the lock on the roles.
        """
        current, pending = self._labels()
        if pending not in (None, current):
            self._finish(master, current, str(pending))
            current, _ = self._labels()
        document = self.read() | {"password": secrets.token_hex(32)}
        self._finish(master, current, put_json(self._client, self._arn, document, stage=_PENDING))

    def set_again(self, master: Connection) -> None:
        """Give the rotator once more the password of the current version, whatever it was given meanwhile.

        Parameters
        ----------
        master
            As for `change`.
        """
        roles.set_rotator_password(master, verifier(self.read()["password"]))

    def _finish(self, master: Connection, current: str, pending: str) -> None:
        password = read_json(self._client, self._arn, stage=_PENDING)["password"]
        roles.set_rotator_password(master, verifier(password))
        self._client.update_secret_version_stage(
            SecretId=self._arn,
            VersionStage=_CURRENT,
            MoveToVersionId=pending,
            RemoveFromVersionId=current,
        )
        self._client.update_secret_version_stage(
            SecretId=self._arn, VersionStage=_PENDING, RemoveFromVersionId=pending
        )

    def _labels(self) -> tuple[str, str | None]:
        labels = holders(self._client.describe_secret(SecretId=self._arn)["VersionIdsToStages"])
        return labels[_CURRENT], labels.get(_PENDING)


MasterSession = Callable[[str], AbstractContextManager[Connection]]
"""Opens a session of the master user on an instance."""


def end_sessions(cluster: Cluster, master: MasterSession, limit: TimeLimit) -> dict[str, int]:
    """End all sessions of the rotator on every instance.

    Parameters
    ----------
    cluster
        Where the rotator logs in.
    master
        Opens a session that ends them: those of the role itself could be shut out by it.
    limit
        The time for sessions to end.

    Returns
    -------
    dict
        How many there still are at which instance; all are 0 unless someone goes on logging in.
    """
    found: dict[str, int] = {}
    for host in cluster.hosts():
        with master(host) as session:
            while (others := roles.end_rotator_sessions(session)) and limit.wait(_POLL_SECONDS):
                pass
        found[f"sessions of {ROTATOR} at {host}"] = others
    return found


def openings(
    cluster: Cluster, rotator: Mapping[str, Any], old: Mapping[str, Any], limit: TimeLimit
) -> dict[str, int]:
    """Return what the rotator's old password opens, once the new one logs in.

    Parameters
    ----------
    cluster
        Where the rotator logs in.
    rotator, old
        Its current log-in and the one before.
    limit
        The time for readers to learn of the new password.

    Returns
    -------
    dict
        What was tried at which instance, each with how often it opened; all are 0 if nothing does.

    Raises
    ------
    RolesError
        When the new password does not log in.
    """
    found: dict[str, int] = {}
    for host in cluster.hosts():
        while not logs_in(rotator, host):
            if not limit.wait(_POLL_SECONDS):
                raise roles.RolesError(f"the rotator's new password does not log in at {host}")
        opened = int(logs_in(old, host))
        found[f"log-in as {rotator['username']} with the old password at {host}"] = opened
    return found


def _session(login: Mapping[str, Any], host: str) -> AbstractContextManager[Connection]:
    return privileged(host=host, port=int(login["port"]), user=login["username"], password=login["password"])


def logs_in(login: Mapping[str, Any], host: str) -> bool:
    """Return whether a log-in is accepted by an instance."""
    try:
        with _session(login, host):
            return True
    except DatabaseError as error:
        if error.args[0].get("C") not in _REFUSALS:
            raise
        return False
