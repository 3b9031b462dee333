"""The secrets that rotate: how old each is, and how far its rotation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from contract.secrets import RotatingSecret
from ops import aws_errors
from ops.aws import NotDeployedError
from ops.rotate import ABANDONED_AFTER
from ops.status.look import Look
from ops.status.part import Part, age, moment


class Rotation(StrEnum):
    """How far a rotation is."""

    DONE = "previous retired"
    IN_PROGRESS = "rotating"
    RETIRING = "previous still valid"
    FAILED = "rotation failed"
    OFF = "no rotation"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A rotated secret.

    Attributes
    ----------
    since
        When its current version was made.
    next_at
        When Secrets Manager rotates it next, at the latest.
    reason
        Why nothing is known; empty when it could be read.
    """

    secret: str
    rotation: Rotation
    since: datetime | None = None
    age_days: int | None = None
    next_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Secrets(Part):
    """The rotated secrets."""

    read_at: datetime
    items: Sequence[Secret]

    def problems(self) -> Iterator[str]:
        """Yield those whose rotation failed or is off."""
        for each in self.items:
            if each.rotation in {Rotation.FAILED, Rotation.OFF}:
                yield f"secret {each.secret}: {each.rotation}"

    def unknown(self) -> Iterator[str]:
        """Yield those that cannot be read."""
        for each in self.items:
            if each.rotation is Rotation.UNKNOWN:
                yield f"secret {each.secret}: {each.reason}"

    def lines(self) -> Iterator[str]:
        """Yield each secret's age and how far its rotation is."""
        for each in self.items:
            how = "unknown" if each.since is None else f"{age(self.read_at - each.since)} old"
            following = f", next {moment(each.next_at)}" if each.next_at else ""
            yield f"{each.secret:<12} {how}, {each.reason or each.rotation}{following}"


def read(look: Look) -> Secrets | None:
    """Return the secrets of the layers that are deployed; None before there are any."""
    items = [_secret(look, secret) for secret in RotatingSecret]
    found = [each for each in items if each is not None]
    return Secrets(read_at=look.now, items=found) if found else None


def _secret(look: Look, secret: RotatingSecret) -> Secret | None:
    try:
        return _described(look, secret, look.outputs(secret.facts.layer)[secret.output])
    except NotDeployedError:
        return None
    except (BotoCoreError, ClientError) as error:
        return Secret(secret=secret.value, rotation=Rotation.UNKNOWN, reason=aws_errors.reason(error))


def _described(look: Look, secret: RotatingSecret, arn: str) -> Secret:
    client = look.environment.secrets
    description = client.describe_secret(SecretId=arn)
    versions = client.list_secret_version_ids(SecretId=arn)["Versions"]
    made = {label: each["CreatedDate"] for each in versions for label in each.get("VersionStages", ())}
    rotation = _rotation(made, enabled=bool(description.get("RotationEnabled")), now=look.now)
    since = made.get("AWSCURRENT")
    return Secret(
        secret=secret.value,
        rotation=rotation,
        since=since,
        age_days=(look.now - since).days if since else None,
        next_at=description.get("NextRotationDate"),
    )


def _rotation(made: dict[str, datetime], *, enabled: bool, now: datetime) -> Rotation:
    """Return how far a rotation is, by when the version of each label was made."""
    pending = made.get("AWSPENDING")
    if not enabled:
        return Rotation.OFF
    if pending is not None and pending != made.get("AWSCURRENT"):
        return Rotation.FAILED if now - pending > ABANDONED_AFTER else Rotation.IN_PROGRESS
    return Rotation.RETIRING if "AWSPREVIOUS" in made else Rotation.DONE
