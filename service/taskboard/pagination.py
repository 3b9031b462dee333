"""Pages of a list, by cursor: an item that is added meanwhile neither repeats nor hides another."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Generic, Self, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel

from taskboard.errors import ErrorDetail, InvalidFieldError


class Item(BaseModel):
    """Something with a place in a list."""

    id: UUID
    created_at: datetime


ItemT = TypeVar("ItemT", bound=Item)


class Page(BaseModel, Generic[ItemT]):
    """A part of a list, oldest first.

    Attributes
    ----------
    next_cursor
        The `cursor` of the following page; null when this is the last.
    """

    items: list[ItemT]
    next_cursor: str | None


@dataclass(frozen=True)
class Position:
    """The place in a list after which a page begins."""

    created_at: datetime
    id: UUID

    @classmethod
    def after(cls, item: Item) -> Self:
        """Return the place of an item."""
        return cls(item.created_at, item.id)

    @classmethod
    def decode(cls, cursor: str) -> Self:
        """Read a cursor.

        Raises
        ------
        ValueError
            If it is not one.
        """
        created_at, _, item_id = (
            base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition(" ")
        )
        position = cls(datetime.fromisoformat(created_at), UUID(item_id))
        if position.created_at.tzinfo is None:
            raise ValueError("a time without a zone")
        return position

    def encode(self) -> str:
        """Return the cursor of this place."""
        text = f"{self.created_at.astimezone(UTC).isoformat()} {self.id}"
        return base64.urlsafe_b64encode(text.encode()).decode()


START = Position(datetime.min.replace(tzinfo=UTC), UUID(int=0))


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list is asked for."""

    after: Position
    limit: int

    @property
    def fetch(self) -> int:
        """How many items to read: one more than fit, which shows whether another page follows."""
        return self.limit + 1

    def page(self, items: Sequence[ItemT]) -> Page[ItemT]:
        """Return the page out of the items that were read."""
        shown = list(items[: self.limit])
        more = len(items) > self.limit
        return Page(items=shown, next_cursor=Position.after(shown[-1]).encode() if more else None)


async def _page_request(
    limit: Annotated[int, Query(ge=1, le=100, description="How many items a page has.")] = 20,
    cursor: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of the page before.")
    ] = None,
) -> PageRequest:
    if cursor is None:
        return PageRequest(after=START, limit=limit)
    try:
        return PageRequest(after=Position.decode(cursor), limit=limit)
    except ValueError:
        detail = ErrorDetail(field="cursor", message="must be the `next_cursor` of another page")
        raise InvalidFieldError(detail) from None


PageDep = Annotated[PageRequest, Depends(_page_request)]
