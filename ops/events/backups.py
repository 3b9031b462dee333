"""Backups, their copies, and restores."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ops.events.event import Event, Kind
from ops.status.look import Look

# What began before the time may have ended after it.
_LONGEST = timedelta(days=1)


def read(look: Look, start: datetime) -> Iterator[Event]:
    """Yield when each job of the environment's vault began and ended."""
    if not look.settings.backup.enabled:
        return
    client, name, after = look.environment.backups, look.settings.full_name, start - _LONGEST
    cluster = f":cluster:{look.outputs('data')['ClusterIdentifier']}"
    for page in client.get_paginator("list_backup_jobs").paginate(
        ByBackupVaultName=name, ByCreatedAfter=after
    ):
        for job in page["BackupJobs"]:
            yield from _events(job, f"backup {job['BackupJobId']}", job["State"], start)
    for copies in client.get_paginator("list_copy_jobs").paginate(ByCreatedAfter=after):
        for copy in copies["CopyJobs"]:
            if copy.get("SourceBackupVaultArn", "").endswith(f":{name}"):
                yield from _events(copy, f"copy {copy['CopyJobId']}", copy["State"], start)
    for restores in client.get_paginator("list_restore_jobs").paginate(ByCreatedAfter=after):
        for restore in restores["RestoreJobs"]:
            if restore.get("SourceResourceArn", "").endswith(cluster):
                validation = restore.get("ValidationStatus")
                state = restore["Status"] + (f", validation {validation}" if validation else "")
                yield from _events(restore, f"restore {restore['RestoreJobId']}", state, start)


def _events(job: Mapping[str, Any], subject: str, state: str, start: datetime) -> Iterator[Event]:
    said = f": {job['StatusMessage']}" if job.get("StatusMessage") else ""
    for time, text in ((job["CreationDate"], "began"), (job.get("CompletionDate"), f"{state}{said}")):
        if time is not None and time >= start:
            yield Event(time=time, kind=Kind.BACKUP, subject=subject, text=text)
