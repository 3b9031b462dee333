"""The deploy lock: a lease in the ledger's table, which its holder renews.

A lease ends by itself: who waits for it takes it when fence and renewals did not change for as long as the
lease lasts, on the waiting one's own monotonic clock. No clock is compared with another. Each taking adds one
to the fence, and every write names the fence and the renewals that its writer saw.
"""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from contract.deployments import LOCK, PARTITION_KEY, SORT_KEY

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_KEY: Mapping[str, Any] = {PARTITION_KEY: {"S": LOCK}, SORT_KEY: {"S": LOCK}}
LEASE_SECONDS = 60
RENEWAL_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds the lock, and for what.

    Attributes
    ----------
    run
        Random id of the run.
    by
        ARN of the caller, as STS returns it.
    command
        What runs.
    reason
        The person's.
    since
        When it was taken, by the clock of the machine that took it: for people alone.
    lease_seconds
        How long it lasts without a renewal; 0 where it lasts until it is released.
    execution
        ARN of the pipeline's execution that holds it, whose state CodePipeline knows.
    """

    run: str
    by: str
    command: str
    reason: str = ""
    since: str = ""
    lease_seconds: int = LEASE_SECONDS
    execution: str = ""

    @property
    def name(self) -> str:
        """The person's or the role's name: the last part of the ARN."""
        return self.by.rsplit("/", 1)[-1].rsplit(":", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class LockState:
    """The lock as it was read: its numbers, and its holder unless it is free."""

    fence: int
    renewals: int
    holder: Holder | None


def new_run() -> str:
    """Return the id of a run, which no other has."""
    return secrets.token_hex(8)


class LostError(Exception):
    """The lock is no longer the caller's."""


class Lock:
    """The lock of an environment.

    Parameters
    ----------
    client
        A DynamoDB client.
    table
        Name of the ledger's table.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def read(self) -> LockState | None:
        """Return the lock, or nothing where it was never taken."""
        item = self._client.get_item(TableName=self._table, Key=_KEY, ConsistentRead=True).get("Item")
        return _state(item) if item else None

    def take(self, seen: LockState | None, holder: Holder) -> LockState:
        """Take the lock on the condition that it still is as the caller saw it.

        Raises
        ------
        LostError
            When it is not.
        """
        taken = LockState(fence=seen.fence + 1 if seen else 1, renewals=0, holder=holder)
        self._write(taken, seen=seen)
        return taken

    def renew(self, held: LockState) -> LockState:
        """Renew the lease of a holder.

        Raises
        ------
        LostError
            When it is another's.
        """
        renewed = replace(held, renewals=held.renewals + 1)
        self._write(renewed, seen=held)
        return renewed

    def release(self, held: LockState) -> None:
        """Free the lock; nothing when it is another's already."""
        try:
            # A renewal that is still on its way fails, since the number of renewals is another one.
            self._write(LockState(fence=held.fence, renewals=held.renewals + 1, holder=None), seen=held)
        except LostError:
            return

    def _write(self, new: LockState, *, seen: LockState | None) -> None:
        condition, values = "attribute_not_exists(pk)", dict[str, Any]()
        if seen is not None:
            # A fence is one holding's alone, so that its renewals are, too.
            condition = "fence = :fence AND renewals = :renewals"
            numbers = {":fence": {"N": str(seen.fence)}, ":renewals": {"N": str(seen.renewals)}}
            values = {"ExpressionAttributeValues": numbers}
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_item(new),
                ConditionExpression=condition,
                **values,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            # botocore sends a request again whose answer was lost: then it is the writer's own.
            if self.read() != new:
                raise LostError from error


def _item(state: LockState) -> dict[str, Any]:
    item = {**_KEY, "fence": {"N": str(state.fence)}, "renewals": {"N": str(state.renewals)}}
    for name, value in asdict(state.holder).items() if state.holder else ():
        item[name] = {"N" if isinstance(value, int) else "S": str(value)}
    return item


def _state(item: Mapping[str, Any]) -> LockState:
    plain = {name: next(iter(value.values())) for name, value in item.items()}
    holder = None
    if "run" in plain:
        fields = {name: plain.get(name, "") for name in Holder.__dataclass_fields__}
        holder = Holder(**{**fields, "lease_seconds": int(fields["lease_seconds"] or 0)})
    return LockState(fence=int(plain["fence"]), renewals=int(plain["renewals"]), holder=holder)
