# ruff: noqa: N803 - the arguments are named as boto3 names them
"""A table of DynamoDB in memory, as strict about conditions as the lock and the ledger need it."""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from contract.deployments import PARTITION_KEY, SORT_KEY

Item = Mapping[str, Any]


class FakeTable:
    """A DynamoDB client of one table; answers may be lost after a write was done."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.lose_next_answer = False
        self.unreachable = False

    def _reach(self) -> None:
        if self.unreachable:
            raise ReadTimeoutError(endpoint_url="dynamodb")

    def get_item(self, *, Key: Item, ConsistentRead: bool, **_: object) -> dict[str, Any]:
        assert ConsistentRead
        self._reach()
        found = self.items.get(_key(Key))
        return {"Item": found} if found else {}

    def put_item(
        self,
        *,
        Item: Item,
        ConditionExpression: str,
        ExpressionAttributeValues: Item | None = None,
        **_: object,
    ) -> None:
        self._reach()
        there = self.items.get(_key(Item))
        given = ExpressionAttributeValues or {}
        values = {name: next(iter(value.values())) for name, value in given.items()}
        if not all(_holds(part, there, values) for part in ConditionExpression.split(" AND ")):
            error = {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}
            raise ClientError({"Error": error}, "PutItem")  # type: ignore[typeddict-item]
        self.items[_key(Item)] = Item
        if self.lose_next_answer:
            self.lose_next_answer = False
            raise ReadTimeoutError(endpoint_url="dynamodb")

    def get_paginator(self, name: str) -> "FakeTable":
        assert name == "query"
        return self

    def paginate(
        self, *, ExpressionAttributeValues: Item, ScanIndexForward: bool, **_: object
    ) -> Iterator[dict[str, Any]]:
        (partition,) = (value["S"] for value in ExpressionAttributeValues.values())
        found = sorted(key for key in self.items if key[0] == partition)
        for key in found if ScanIndexForward else reversed(found):
            yield {"Items": [self.items[key]]}


def _key(item: Item) -> tuple[str, str]:
    return item[PARTITION_KEY]["S"], item[SORT_KEY]["S"]


def _holds(part: str, there: Item | None, values: Mapping[str, str]) -> bool:
    if part == "attribute_not_exists(pk)":
        return there is None
    name, _, placeholder = part.partition(" = ")
    return there is not None and next(iter(there[name].values())) == values[placeholder]
