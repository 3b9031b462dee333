"""The versions of a secret and the labels on them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gantry_runtime.failures import SafeError
from gantry_runtime.secrets import SecretError, holders, parse

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

CURRENT, PREVIOUS, PENDING = "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"
# Our own: on the current version once nothing else logs in, so that an idle secret costs one look at it. What
# it vouches for may be exchanged for a copy of earlier; so it names that, where that has a name.
RECONCILED = "RECONCILED"


def reconciled_label(place: str) -> str:
    """Return the label that says of a version that nothing else opens a place."""
    return f"{RECONCILED}-{place}" if place else RECONCILED


class LabelMovedError(SafeError):
    """A label is no longer where it was: someone else rotates or reconciles the secret."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version that has a value.

    Attributes
    ----------
    id
        Which version.
    document
        Its JSON object; never shown.
    created_at
        When it was made, which nothing that happens to the secret later changes.
    """

    id: str
    created_at: datetime
    document: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Which version carries which label at one moment.

    Attributes
    ----------
    name
        The secret's name.
    labels
        The version of each label.
    changed_at
        When the secret was last changed in any way, and so no earlier than the last move of a label. Not a
        time that is noted when a rotation moves it: who moves AWSCURRENT back and forth by hand, as a
        rollback, notes nothing. Nor when Secrets Manager says that it was rotated: it says so after the last
        step, when the tasks that this step asked for may exist already.
    rotated_at
        When it was last rotated, or else made.
    """

    name: str
    labels: Mapping[str, str]
    changed_at: datetime
    rotated_at: datetime

    @property
    def current(self) -> str:
        """The version that tasks read when they start."""
        return self.labels[CURRENT]

    @property
    def previous(self) -> str | None:
        """The version that tasks may still use."""
        return self.labels.get(PREVIOUS)

    @property
    def pending(self) -> str | None:
        """The version of a rotation that has begun and has not ended."""
        pending = self.labels.get(PENDING)
        return None if pending == self.current else pending

    def reconciled_for(self, place: str) -> bool:
        """Return whether nothing but the current version opens a place."""
        return self.previous is None and self.labels.get(reconciled_label(place)) == self.current

    @property
    def reconciled_labels(self) -> list[str]:
        """Every label that says that a version is the only one."""
        return [label for label in self.labels if label.startswith(RECONCILED)]


class SecretStore:
    """One secret in Secrets Manager.

    Parameters
    ----------
    client
        Of Secrets Manager.
    arn
        The secret's ARN.
    """

    def __init__(self, client: "SecretsManagerClient", arn: str) -> None:
        self._client = client
        self.arn = arn

    def snapshot(self) -> Snapshot:
        """Return the labels as they are now."""
        description = self._client.describe_secret(SecretId=self.arn)
        return Snapshot(
            name=description["Name"],
            labels=holders(description["VersionIdsToStages"]),
            changed_at=description["LastChangedDate"],
            rotated_at=description.get("LastRotatedDate", description["CreatedDate"]),
        )

    def find(self, version_id: str | None) -> Version | None:
        """Return a version, or None when there is none or it has no value yet.

        Raises
        ------
        SecretError
            When its value is not a JSON object.
        """
        if version_id is None:
            return None
        try:
            value = self._client.get_secret_value(SecretId=self.arn, VersionId=version_id)
        except self._client.exceptions.ResourceNotFoundException:
            return None
        name = f"version {version_id} of {self.arn}"
        return Version(
            id=version_id,
            created_at=value["CreatedDate"],
            document=parse(value.get("SecretString", ""), name),
        )

    def current(self, snapshot: Snapshot) -> Version:
        """Return the current version.

        Raises
        ------
        SecretError
            When it has no value, or one that is not a JSON object.
        """
        return self.require(snapshot.current)

    def require(self, version_id: str) -> Version:
        """Return a version.

        Raises
        ------
        SecretError
            When it has no value, or one that is not a JSON object.
        """
        found = self.find(version_id)
        if found is None:
            raise SecretError(f"version {version_id} of {self.arn} has no value")
        return found

    def add(self, version_id: str, document: Mapping[str, Any], *, label: str) -> None:
        """Add a version, or leave the one that another invocation added under the same id first."""
        try:
            self._client.put_secret_value(
                SecretId=self.arn,
                ClientRequestToken=version_id,
                SecretString=json.dumps(dict(document)),
                VersionStages=[label],
            )
        except self._client.exceptions.ResourceExistsException:
            return

    def move(self, label: str, version_id: str, snapshot: Snapshot) -> None:
        """Move a label to a version, unless it is elsewhere by now than the snapshot says.

        Raises
        ------
        LabelMovedError
            When it is.
        """
        holder = snapshot.labels.get(label)
        if holder != version_id:
            leaving = {} if holder is None else {"RemoveFromVersionId": holder}
            self._update(label, snapshot, {"MoveToVersionId": version_id, **leaving})

    def remove(self, label: str, snapshot: Snapshot) -> None:
        """Take a label off, unless it is elsewhere by now than the snapshot says.

        Raises
        ------
        LabelMovedError
            When it is.
        """
        holder = snapshot.labels.get(label)
        if holder is not None:
            self._update(label, snapshot, {"RemoveFromVersionId": holder})

    def _update(self, label: str, snapshot: Snapshot, versions: "Mapping[str, str]") -> None:
        """Move a label if it is where the snapshot says: Secrets Manager compares and moves in one."""
        try:
            self._client.update_secret_version_stage(SecretId=self.arn, VersionStage=label, **versions)
        except self._client.exceptions.ClientError:
            if self.snapshot().labels.get(label) == snapshot.labels.get(label):
                raise
            moved = True
        else:
            moved = False
        if moved:
            raise LabelMovedError(f"{label} of {self.arn} was moved by someone else")
