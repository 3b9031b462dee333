"""Settings of when secrets rotate."""

from typing import Annotated

from pydantic import AfterValidator, Field

from stacks.settings.model import SettingsModel
from stacks.settings.schedules import rotation_schedule

# "Schedule expressions in Secrets Manager rotation": at full hours, in every year.
_CRON = r"^cron\(0 ([01]?\d|2[0-3]|\*) .+ \*\)$"
_Schedule = Annotated[str, AfterValidator(rotation_schedule)]


class RotationSettings(SettingsModel):
    """When the three secrets rotate, in UTC; staggered, so that one deployment follows another."""

    database_schedule: _Schedule = Field("cron(0 3 1 * ? *)", pattern=_CRON, description="Of the password.")
    valkey_schedule: _Schedule = Field(
        "cron(0 3 11 * ? *)", pattern=_CRON, description="Of the cache password."
    )
    signing_key_schedule: _Schedule = Field(
        "cron(0 3 21 1,4,7,10 ? *)", pattern=_CRON, description="Of SECRET_KEY_BASE."
    )
    session_lifetime_seconds: int = Field(
        604800, ge=1, description="How long a session lives unused; its key is honoured as long."
    )
