"""Backups by AWS Backup, and the tests that restore them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops.status.look import Look
from ops.status.part import Part, age, moment

# As the alarm on backups: one a day, and a day is over when the next has begun.
_DAILY_WITHIN = timedelta(days=2)
# Tests are weekly; the alarm on them counts a day more.
_TESTED_WITHIN = timedelta(days=8)
_FAILED = frozenset({"FAILED", "TIMED_OUT"})


@dataclass(frozen=True, kw_only=True)
class Backups(Part):
    """The recovery points of the vault.

    Attributes
    ----------
    latest_at
        When the newest one was made that is complete; None when there is none.
    vault_made_at
        Since when there can be any.
    daily
        Whether one is made every day.
    """

    read_at: datetime
    vault: str
    vault_made_at: datetime
    latest_at: datetime | None
    daily: bool

    def problems(self) -> Iterator[str]:
        """Yield that a daily backup is overdue."""
        if self.daily and self.read_at - (self.latest_at or self.vault_made_at) > _DAILY_WITHIN:
            yield f"the newest backup in the vault {self.vault} is {self._age()}"

    def lines(self) -> Iterator[str]:
        """Yield how old the newest is."""
        yield f"vault {self.vault}: the newest is {self._age()}"

    def _age(self) -> str:
        if self.latest_at is None:
            return "none yet"
        return f"{age(self.read_at - self.latest_at)} old ({moment(self.latest_at)})"


@dataclass(frozen=True, kw_only=True)
class RestoreTests(Part):
    """The last test of a restore.

    Attributes
    ----------
    plan_made_at
        Since when there can be any.
    restore
        Status of the restore job.
    validation
        What the restored database was found to be; None until then.
    message
        What the function or AWS Backup says.
    """

    read_at: datetime
    plan_made_at: datetime
    began_at: datetime | None = None
    restore: str | None = None
    validation: str | None = None
    message: str = ""

    def problems(self) -> Iterator[str]:
        """Yield a test that failed, or that is overdue."""
        if self.restore in {"FAILED", "ABORTED"} or self.validation in _FAILED:
            yield f"the last restore test: {self._result()}"
        elif self.read_at - (self.began_at or self.plan_made_at) > _TESTED_WITHIN:
            yield "no restore test within eight days"

    def lines(self) -> Iterator[str]:
        """Yield how the last one ended."""
        yield self._result()

    def _result(self) -> str:
        if self.began_at is None:
            return "none yet"
        validation = f", validation {self.validation}" if self.validation else ""
        said = f": {self.message}" if self.message else ""
        return f"restore {self.restore}{validation}, {age(self.read_at - self.began_at)} ago{said}"


def read(look: Look) -> Backups | None:
    """Return the newest backup; None where none are made."""
    look.outputs("data")  # there is no vault before this layer
    if not look.settings.backup.enabled:
        return None
    client, name = look.environment.backups, look.settings.full_name
    vault = client.describe_backup_vault(BackupVaultName=name)
    pages = client.get_paginator("list_recovery_points_by_backup_vault").paginate(BackupVaultName=name)
    made = [
        each["CreationDate"]
        for page in pages
        for each in page["RecoveryPoints"]
        if each["Status"] == "COMPLETED"
    ]
    return Backups(
        read_at=look.now,
        vault=name,
        vault_made_at=vault["CreationDate"],
        latest_at=max(made, default=None),
        daily="daily" in look.settings.backup.retention_days,
    )


def read_restore_tests(look: Look) -> RestoreTests | None:
    """Return the last restore test; None where none are made."""
    look.outputs("data")
    if not (look.settings.backup.enabled and look.settings.backup.restore_tests):
        return None
    client, name = look.environment.backups, look.settings.full_name.replace("-", "_")
    plan = client.get_restore_testing_plan(RestoreTestingPlanName=name)["RestoreTestingPlan"]
    pages = client.get_paginator("list_restore_jobs").paginate(
        ByRestoreTestingPlanArn=plan["RestoreTestingPlanArn"]
    )
    jobs = [job for page in pages for job in page["RestoreJobs"]]
    if not jobs:
        return RestoreTests(read_at=look.now, plan_made_at=plan["CreationTime"])
    last = max(jobs, key=lambda job: job["CreationDate"])
    return RestoreTests(
        read_at=look.now,
        plan_made_at=plan["CreationTime"],
        began_at=last["CreationDate"],
        restore=last["Status"],
        validation=last.get("ValidationStatus"),
        message=last.get("ValidationStatusMessage") or last.get("StatusMessage", ""),
    )
