"""Settings of backups and of the second region."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stacks.settings.model import Problem, SettingsModel, Singleton
from stacks.settings.regions import commercial_region
from stacks.settings.values import REGION

BackupRule = Literal["daily", "weekly", "monthly", "yearly"]
# Days between two backups of a rule, with one to spare for the backup to end.
_INTERVAL_DAYS: dict[BackupRule, int] = {"daily": 2, "weekly": 8, "monthly": 32, "yearly": 365}


class BackupSettings(SettingsModel):
    """Backups of the database by AWS Backup; a rule that is kept for 0 days is not made."""

    enabled: bool = Field(
        True, description="Whether the database is backed up besides its own recovery window."
    )
    daily_retention_days: int = Field(35, ge=0, le=36500, description="Days that daily backups are kept.")
    weekly_retention_days: int = Field(90, ge=0, le=36500, description="Days that weekly backups are kept.")
    monthly_retention_days: int = Field(
        365, ge=0, le=36500, description="Days that monthly backups are kept."
    )
    yearly_retention_days: int = Field(2555, ge=0, le=36500, description="Days that yearly backups are kept.")
    copies: bool = Field(True, description="Whether every backup is copied to the recovery region.")
    restore_tests: bool = Field(
        True, description="Whether the newest backup is restored and queried every week."
    )
    vault_lock: Literal["off", "governance", "compliance"] = Field(
        "off",
        description="Keeps backups from being deleted early; compliance is final, even for AWS.",
    )

    def _problems(self) -> Iterator[Problem]:
        if self.enabled and not self.retention_days:
            yield Problem("enabled", True, "must be false when every retention is 0")

    @property
    def retention_days(self) -> dict[BackupRule, int]:
        """Days that backups are kept, by how often they are made."""
        days: dict[BackupRule, int] = {
            "daily": self.daily_retention_days,
            "weekly": self.weekly_retention_days,
            "monthly": self.monthly_retention_days,
            "yearly": self.yearly_retention_days,
        }
        return {rule: kept for rule, kept in days.items() if kept}

    @property
    def tests_restores(self) -> bool:
        """Whether there are backups, and restores of them are tested."""
        return self.enabled and self.restore_tests

    @property
    def newest_within_days(self) -> int:
        """Days within which there must be a new backup."""
        return min((_INTERVAL_DAYS[rule] for rule in self.retention_days), default=0)

    @property
    def shortest_retention_days(self) -> int:
        """Days after which the first backup may go."""
        return min(self.retention_days.values(), default=0)


class RecoverySettings(SettingsModel):
    """The region in which the platform is recovered when its own is lost."""

    region: Annotated[str, AfterValidator(commercial_region)] | None = Field(
        None,
        pattern=REGION,
        description="Second region, which holds copies of backups and images.",
        examples=["us-west-2"],
    )
    image_replication: Singleton = Field(
        "off",
        description="The configuration of the account's registry that copies images to the second region.",
    )
