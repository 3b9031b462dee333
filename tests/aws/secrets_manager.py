"""Secrets Manager, as far as rotation sees it: versions, labels, and the rules about moving these."""

import itertools
import json
import random
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.aws.transport import Answer, AwsError, SimulatedClock

ARN = "arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}-AbCdEf"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


@dataclass
class SecretVersion:
    created: datetime
    value: str | None = None
    labels: set[str] = field(default_factory=set)


class Secret:
    """A secret; a version that loses its last label is deleted at once, which AWS may do at any time."""

    def __init__(self, name: str, document: Mapping[str, Any], clock: SimulatedClock) -> None:
        self.name, self.arn = name, ARN.format(name=name)
        self.clock = clock
        self.created = self.changed = clock.now()
        self.rotated: datetime | None = None
        self.function = ""
        self.versions: dict[str, SecretVersion] = {}
        self.history: list[tuple[str, dict[str, Any]]] = []
        self._ids = itertools.count(1)
        self.put(self.new_id(), json.dumps(dict(document)), "AWSCURRENT")

    def new_id(self) -> str:
        """Return an id as they are: 32 characters at least."""
        return f"{next(self._ids):032d}"

    def holder(self, label: str) -> str | None:
        return next((id_ for id_, version in self.versions.items() if label in version.labels), None)

    def document(self, label: str) -> dict[str, Any] | None:
        id_ = self.holder(label)
        value = self.versions[id_].value if id_ else None
        return None if value is None else dict(json.loads(value))

    def put(self, id_: str, value: str | None, label: str) -> None:
        version = self.versions.setdefault(id_, SecretVersion(self.clock.now()))
        if value is not None:
            version.value = value
            self.history.append((id_, json.loads(value)))
        self.attach(label, id_)

    def attach(self, label: str, id_: str) -> None:
        before = self.holder(label)
        self._detach(label)
        self.versions[id_].labels.add(label)
        if label == "AWSCURRENT" and before not in (None, id_):
            self._detach("AWSPREVIOUS")
            self.versions[str(before)].labels.add("AWSPREVIOUS")
        self._touch()

    def detach(self, label: str) -> None:
        self._detach(label)
        self._touch()

    def begin_rotation(self) -> str:
        """Do what RotateSecret does before it calls the function; return the version's id."""
        pending = self.holder("AWSPENDING")
        if pending is not None and pending != self.holder("AWSCURRENT"):
            return pending  # "A previous rotation isn't complete. That rotation will be reattempted."
        token = self.new_id()
        self.put(token, None, "AWSPENDING")
        return token

    def rotate(self, run: Callable[[str, str], object]) -> str:
        """Rotate as Secrets Manager does: the steps in turn, and none after one that failed."""
        token = self.begin_rotation()
        for step in STEPS:
            run(step, token)
        self.rotated = self.clock.now()
        return token

    def _detach(self, label: str) -> None:
        for version in self.versions.values():
            version.labels.discard(label)

    def _touch(self) -> None:
        self.changed = self.clock.now()
        for id_ in [id_ for id_, version in self.versions.items() if not version.labels]:
            del self.versions[id_]


class SecretsManager:
    """The service."""

    def __init__(self, *secrets: Secret) -> None:
        self._secrets = {secret.arn: secret for secret in secrets}

    def describe_secret(self, secret_id: str) -> Answer:
        secret = self._find(secret_id)
        versions = list(secret.versions.items())
        random.Random(secret.name).shuffle(versions)  # in no particular order
        return {
            "ARN": secret.arn,
            "Name": secret.name,
            "CreatedDate": secret.created,
            "LastChangedDate": secret.changed,
            "VersionIdsToStages": {id_: sorted(version.labels) for id_, version in versions},
            **({"LastRotatedDate": secret.rotated} if secret.rotated else {}),
            **({"RotationLambdaARN": secret.function} if secret.function else {}),
        }

    def get_secret_value(
        self, secret_id: str, version_id: str | None = None, version_stage: str = "AWSCURRENT"
    ) -> Answer:
        secret = self._find(secret_id)
        id_ = version_id or secret.holder(version_stage)
        version = secret.versions.get(id_ or "")
        if id_ is None or version is None or version.value is None:
            raise AwsError("ResourceNotFoundException", "can't find the specified secret value")
        return {
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": id_,
            "CreatedDate": version.created,
            "SecretString": version.value,
        }

    def put_secret_value(
        self,
        secret_id: str,
        secret_string: str,
        client_request_token: str | None = None,
        version_stages: Sequence[str] = ("AWSCURRENT",),
    ) -> Answer:
        secret = self._find(secret_id)
        id_ = client_request_token or secret.new_id()
        existing = secret.versions.get(id_)
        if existing is not None and existing.value is not None:
            if existing.value != secret_string:
                raise AwsError("ResourceExistsException", "because that value is already in use")
        else:
            for label in version_stages:
                secret.put(id_, secret_string, label)
        return {"ARN": secret.arn, "Name": secret.name, "VersionId": id_}

    def get_random_password(self, password_length: int, exclude_punctuation: bool) -> Answer:
        assert exclude_punctuation
        return {"RandomPassword": "".join(random.choices(string.ascii_letters, k=password_length))}

    def update_secret_version_stage(
        self,
        secret_id: str,
        version_stage: str,
        move_to_version_id: str | None = None,
        remove_from_version_id: str | None = None,
    ) -> Answer:
        secret = self._find(secret_id)
        holder = secret.holder(version_stage)
        if remove_from_version_id is not None and holder != remove_from_version_id:
            raise AwsError("InvalidParameterException", f"{version_stage} is attached to {holder}")
        if move_to_version_id is None:
            secret.detach(version_stage)
        else:
            if holder not in (None, move_to_version_id) and remove_from_version_id is None:
                raise AwsError("InvalidParameterException", f"{version_stage} is attached to {holder}")
            if move_to_version_id not in secret.versions:
                raise AwsError("ResourceNotFoundException", "can't find the specified secret version")
            secret.attach(version_stage, move_to_version_id)
        return {"ARN": secret.arn, "Name": secret.name}

    def _find(self, arn: str) -> Secret:
        if arn not in self._secrets:
            raise AwsError("ResourceNotFoundException", "can't find the specified secret")
        return self._secrets[arn]
