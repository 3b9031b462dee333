"""Rotations, as the functions that rotate the secrets log them."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from contract import log_groups
from contract.secrets import RotatingSecret
from ops.events.event import Event, Kind
from ops.status.look import Look


def read(look: Look, start: datetime) -> Iterator[Event]:
    """Yield each step of each rotation, and what was reconciled."""
    for secret in RotatingSecret:
        for time, line in _lines(look, secret, start):
            step = f"{line['step']}: " if line.get("step") else ""
            version = f" (version {str(line['version'])[:8]})" if line.get("version") else ""
            failure = f": {line['failure']}" if line.get("failure") else ""
            yield Event(
                time=time,
                kind=Kind.ROTATION,
                subject=secret.value,
                text=f"{step}{line['message']}{failure}{version}",
            )


def _lines(look: Look, secret: RotatingSecret, start: datetime) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Yield what the function itself says: JSON with a message, which metrics and Lambda's lines have not."""
    group = look.settings.log_group_prefix + log_groups.function(log_groups.rotation(secret))
    pages = look.environment.logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=int(start.timestamp() * 1000)
    )
    try:
        for page in pages:
            for event in page["events"]:
                with suppress(ValueError):
                    line = json.loads(event["message"])
                    if isinstance(line, dict) and "message" in line and "level" in line:
                        yield datetime.fromtimestamp(event["timestamp"] / 1000, UTC), line
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":  # before the security layer
            raise
