"""The restore tests of one plan, as AWS Backup keeps them."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_backup import BackupClient
    from types_boto3_backup.type_defs import RestoreJobsListMemberTypeDef

_GOING_ON = frozenset({"PENDING", "RUNNING"})
_MESSAGE_LIMIT = 1000


@dataclass(frozen=True, kw_only=True)
class RestoreTest:
    """A recovery point that AWS Backup restored to see whether it can.

    Attributes
    ----------
    id
        The restore job's.
    cluster
        Name of the cluster that it made; None as long as there is none.
    recovery_point_made
        When the backup was made.
    began, ended
        When the restore began and ended, well or not; None while it is going on.
    restored
        Whether the restore ended well.
    verdict
        What the restored database was found to be: SUCCESSFUL, FAILED or TIMED_OUT; None until then. It is
        given once.
    removal_failed
        Whether AWS Backup gave up removing the cluster, which it tries once.
    """

    id: str
    cluster: str | None
    recovery_point_made: datetime | None
    began: datetime
    ended: datetime | None
    restored: bool
    verdict: str | None
    removal_failed: bool

    @property
    def passed(self) -> bool:
        """Whether the restored database was found to be good."""
        return self.verdict == "SUCCESSFUL"

    @property
    def failed(self) -> bool:
        """Whether it is known not to be good, or could not even be restored."""
        restore_failed = self.ended is not None and not self.restored
        return restore_failed or self.verdict in {"FAILED", "TIMED_OUT"}


class RestoreTestingPlan:
    """A restore testing plan and what became of its tests.

    Parameters
    ----------
    client
        Calls AWS Backup.
    name
        Name of the plan.
    """

    def __init__(self, client: "BackupClient", name: str) -> None:
        self._client, self._name = client, name

    def look(self) -> tuple[datetime, list[RestoreTest]]:
        """Return when the plan was made, and its tests of the last weeks, the latest first."""
        plan = self._client.get_restore_testing_plan(RestoreTestingPlanName=self._name)["RestoreTestingPlan"]
        pages = self._client.get_paginator("list_restore_jobs").paginate(
            ByRestoreTestingPlanArn=plan["RestoreTestingPlanArn"]
        )
        tests = [_test(job) for page in pages for job in page["RestoreJobs"]]
        return plan["CreationTime"], sorted(tests, key=lambda test: test.began, reverse=True)

    def conclude(self, test: RestoreTest, *, passed: bool, message: str) -> None:
        """Record the verdict, whereupon AWS Backup removes the restored cluster."""
        self._client.put_restore_validation_result(
            RestoreJobId=test.id,
            ValidationStatus="SUCCESSFUL" if passed else "FAILED",
            ValidationStatusMessage=message[:_MESSAGE_LIMIT],
        )


def _test(job: "RestoreJobsListMemberTypeDef") -> RestoreTest:
    verdict = job.get("ValidationStatus")
    return RestoreTest(
        id=job["RestoreJobId"],
        cluster=job.get("CreatedResourceArn", "").rpartition(":")[2] or None,
        recovery_point_made=job.get("RecoveryPointCreationDate"),
        began=job["CreationDate"],
        ended=None if job["Status"] in _GOING_ON else job.get("CompletionDate", job["CreationDate"]),
        restored=job["Status"] == "COMPLETED",
        verdict=None if verdict == "VALIDATING" else verdict,
        removal_failed=job.get("DeletionStatus") == "FAILED",
    )
