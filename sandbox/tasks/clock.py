"""Moments in the form that the AWS APIs and events have them."""

import datetime


def now() -> datetime.datetime:
    """Return the current time."""
    return datetime.datetime.now(datetime.UTC)


def iso(moment: datetime.datetime | None) -> str | None:
    """Return a moment as an ISO 8601 string with milliseconds, as in the events of ECS."""
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
