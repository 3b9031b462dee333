"""What happened at a time."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What an event is about."""

    DEPLOYMENT = "deployment"
    TASK = "task"
    SCALING = "scaling"
    ROTATION = "rotation"
    ALARM = "alarm"
    BACKUP = "backup"


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event, with what it is about and what happened in a sentence."""

    time: datetime
    kind: Kind
    subject: str
    text: str
