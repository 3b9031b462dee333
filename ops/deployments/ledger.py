"""The ledger: an entry for each deployment, of two items that are added and never changed."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from contract.deployments import ENTRIES, PARTITION_KEY, SORT_KEY

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

Kind: TypeAlias = Literal["deploy", "rollback"]
Result: TypeAlias = Literal["succeeded", "failed", "interrupted"]
# An id begins with its time: sorted by it, entries are in the order of their deployment.
_TIME = "%Y%m%dT%H%M%SZ"
_START, _OUTCOME = "start", "outcome"


@dataclass(frozen=True, kw_only=True)
class Start:
    """What is written before anything is deployed.

    Attributes
    ----------
    id
        Of the entry.
    run
        Of the holder of the lock, while it is held.
    by
        ARN of the caller, as STS returns it.
    kind, reason
        What is done, and why the person does it.
    commit, clean
        Git's commit, and whether the tree was as it says; empty outside a repository.
    image
        The service's image, as the task definition names it.
    overrides
        Settings that the command line replaced.
    changes
        Resources that change, by stack; 0 where only other parts of a template do.
    assembly
        SHA-256 of the archived assembly, which is its key, too.
    of
        The entry that a rollback deploys again.
    """

    id: str
    run: str
    by: str
    kind: Kind
    reason: str = ""
    commit: str = ""
    clean: bool = True
    image: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, int] = field(default_factory=dict)
    assembly: str = ""
    of: str = ""

    @property
    def began(self) -> datetime:
        """When it began."""
        return time_of_id(self.id)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is written when it has ended: the result, the cause of a failure, and what runs then.

    Attributes
    ----------
    ended
        When, in ISO 8601.
    digest
        Of the image that the tasks run.
    """

    id: str
    result: Result
    ended: str
    cause: str = ""
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A deployment; one whose outcome was not written has none."""

    start: Start
    outcome: Outcome | None = None

    @property
    def id(self) -> str:
        """Of the entry."""
        return self.start.id

    @property
    def seconds(self) -> float | None:
        """How long it took, where its outcome is written."""
        if self.outcome is None:
            return None
        return (datetime.fromisoformat(self.outcome.ended) - self.start.began).total_seconds()


def new_id(moment: datetime) -> str:
    """Return an id for what begins at a moment."""
    return f"{moment.astimezone(UTC).strftime(_TIME)}-{secrets.token_hex(2)}"


def time_of_id(entry: str) -> datetime:
    """Return when an entry began."""
    return datetime.strptime(entry.split("-", maxsplit=1)[0], _TIME).replace(tzinfo=UTC)


class Ledger:
    """The entries of an environment.

    Parameters
    ----------
    client
        A DynamoDB client.
    table
        Name of the ledger's table.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def add(self, item: Start | Outcome) -> None:
        """Add the start or the outcome of a deployment; one that is there already stays as it is."""
        kind = _START if isinstance(item, Start) else _OUTCOME
        plain = {**asdict(item), PARTITION_KEY: ENTRIES, SORT_KEY: f"{item.id}#{kind}"}
        serialize = TypeSerializer().serialize
        try:
            self._client.put_item(
                TableName=self._table,
                Item={name: serialize(value) for name, value in plain.items()},
                ConditionExpression="attribute_not_exists(pk)",
            )
        except ClientError as error:
            # botocore sends a request again whose answer was lost.
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

    def entries(self, limit: int | None = None) -> list[Entry]:
        """Return entries, the newest first."""
        found: list[Entry] = []
        outcomes: dict[str, Outcome] = {}
        for item in self._items():
            identity, _, kind = item[SORT_KEY].partition("#")
            if kind == _OUTCOME:
                outcomes[identity] = Outcome(**_fields(Outcome, item))
            else:
                found.append(Entry(start=Start(**_fields(Start, item))))
            # An outcome sorts before its start: where one more start was read, those before it are whole.
            if limit is not None and len(found) > limit:
                break
        return [Entry(start=each.start, outcome=outcomes.get(each.id)) for each in found[:limit]]

    def _items(self) -> Iterator[Mapping[str, Any]]:
        deserialize = TypeDeserializer().deserialize
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=f"{PARTITION_KEY} = :entries",
            ExpressionAttributeValues={":entries": {"S": ENTRIES}},
            ScanIndexForward=False,
            ConsistentRead=True,
        )
        for page in pages:
            for item in page["Items"]:
                yield {name: deserialize(value) for name, value in item.items()}


def _fields(kind: type[Start | Outcome], item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a dataclass has a field for; a later version may write more."""
    names = {each.name for each in fields(kind)}
    given = {name: value for name, value in item.items() if name in names}
    if "changes" in given:
        given["changes"] = {name: int(count) for name, count in given["changes"].items()}
    return given


def find(entries: Sequence[Entry], identity: str) -> Entry | None:
    """Return the entry with an id, or with the only id that begins so."""
    found = [each for each in entries if each.id.startswith(identity)]
    exact = [each for each in found if each.id == identity]
    return next(iter(exact or (found if len(found) == 1 else [])), None)
