"""Settings of when secrets rotate."""

from typing import Annotated

from pydantic import AfterValidator, Field

from stacks.settings.model import SettingsModel
from stacks.settings.values import schedule_expression

# "Schedule expressions in Secrets Manager rotation": at full hours, in every year.
_CRON = r"^cron\(0 ([01]?\d|2[0-3]|\*) .+ \*\)$"
_Schedule = Annotated[str, AfterValidator(schedule_expression)]


class RotationSettings(SettingsModel):
    """When the three secrets rotate, in UTC; staggered, so that one deployment follows another."""

    database_schedule: _Schedule = Field("cron(0 3 1 * ? *)", pattern=_CRON, description="Of the password.")
    database_days: int = Field(30, ge=1, le=1000, description="Days between its rotations.")
    valkey_schedule: _Schedule = Field(
        "cron(0 3 11 * ? *)", pattern=_CRON, description="Of the cache password."
    )
    valkey_days: int = Field(30, ge=1, le=1000, description="Days between its rotations.")
    signing_key_schedule: _Schedule = Field(
        "cron(0 3 21 1,4,7,10 ? *)", pattern=_CRON, description="Of SECRET_KEY_BASE."
    )
    signing_key_days: int = Field(90, ge=1, le=1000, description="Days between its rotations.")
    session_lifetime_seconds: int = Field(
        604800, ge=1, description="How long a session lives unused; its key is honoured as long."
    )
