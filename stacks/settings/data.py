"""Settings of database and cache."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from stacks.settings.model import FIXED, Problem, SettingsModel

_SNAPSHOT = re.compile(r"^arn:aws[a-z-]*:rds:(?P<region>[a-z0-9-]+):\d{12}:cluster-snapshot:.+$")
_Acu = Annotated[float, Field(le=256, multiple_of=0.5)]


class AuroraSettings(SettingsModel):
    """The database cluster."""

    engine_version: str = Field(
        "17.9",
        pattern=r"^17\.[1-9][0-9]?$",
        description="Version of Aurora PostgreSQL; AWS upgrades minor ones by itself, and never back.",
        examples=["17.12"],
    )
    min_capacity: _Acu = Field(
        0.5, ge=0, description="Fewest Aurora capacity units; 0 pauses an idle cluster."
    )
    max_capacity: _Acu = Field(4, ge=1, description="Most Aurora capacity units.")
    auto_pause_seconds: int | None = Field(
        None,
        ge=300,
        le=86400,
        description="Idle time after which a cluster with a minimum of 0 pauses; by default 300 seconds.",
    )
    readers: int = Field(1, ge=0, le=15, description="Reader instances next to the writer.")
    backup_retention_days: int = Field(7, ge=1, le=35, description="Window of point-in-time recovery.")
    database_insights: Literal["standard", "advanced"] = Field(
        "standard",
        description="What is recorded of the database's load: a week of it, or 15 months in every detail, "
        "charged by the capacity unit.",
    )
    proxy: bool = Field(
        False,
        description="Whether the service reaches the database through RDS Proxy, which shares connections "
        "among tasks and is charged for 8 capacity units at least.",
    )
    restore_from_snapshot: Annotated[str | None, FIXED] = Field(
        None,
        pattern=_SNAPSHOT.pattern.replace("?P<region>", ""),
        description="Backup that the cluster begins as.",
        examples=["arn:aws:rds:us-west-2:123456789012:cluster-snapshot:awsbackup:copyjob-…"],
    )

    def _problems(self) -> Iterator[Problem]:
        if self.min_capacity > self.max_capacity:
            yield Problem(
                "min_capacity", self.min_capacity, f"must not exceed max_capacity ({self.max_capacity:g})"
            )
        if self.auto_pause_seconds is not None and self.min_capacity > 0:
            yield Problem(
                "auto_pause_seconds",
                self.auto_pause_seconds,
                "needs min_capacity = 0: no other cluster pauses",
            )

        if self.proxy and self.min_capacity == 0:
            yield Problem(
                "proxy",
                self.proxy,
                "must be false when min_capacity is 0: a proxy's connections keep the cluster from pausing",
            )

    def snapshot_region(self) -> str | None:
        """Return the region of the snapshot that the cluster begins as."""
        found = _SNAPSHOT.match(self.restore_from_snapshot or "")
        return found["region"] if found else None


class ValkeySettings(SettingsModel):
    """The serverless cache and its limits, which also limit its cost."""

    max_data_gb: int = Field(5, ge=1, le=5000, description="Most data, in GB.")
    max_ecpu_per_second: int = Field(
        5000, ge=1000, le=15_000_000, description="Most processing units a second."
    )
    snapshot_retention_days: int = Field(7, ge=0, le=35, description="Days that daily snapshots are kept.")
