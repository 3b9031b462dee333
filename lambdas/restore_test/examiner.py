"""Carries restore tests from the restored cluster to the verdict, and sees to it that nothing remains."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from gantry_runtime.clock import Clock
from gantry_runtime.failures import describe
from restore_test.cluster import RestoredCluster, RestoredClusters
from restore_test.contents import Contents
from restore_test.plan import RestoreTest, RestoreTestingPlan

# Well within the window of AWS Backup, at whose end it removes the cluster, which fails next to an instance.
PATIENCE = timedelta(hours=3)
_LEAVING = "deleting"


@dataclass(frozen=True, kw_only=True)
class Report:
    """The state of the tests.

    Attributes
    ----------
    passed_at
        When the latest test that passed had restored its recovery point; when the plan was made, if none did.
    failed
        Whether the latest test with an outcome failed.
    restore
        How long the latest restore took.
    oldest_cluster
        Since when the oldest restored cluster has been there that is still there.
    failures
        What went wrong during this look; it is repeated at the next.
    """

    passed_at: datetime
    failed: bool
    restore: timedelta | None
    oldest_cluster: datetime | None
    failures: tuple[str, ...]


class Examiner:
    """Takes one step with every test that needs one, each time it is called.

    All state is what AWS Backup and RDS return: whatever ends a call in its middle, the next one goes on.

    Parameters
    ----------
    plan, clusters
        The tests and what they made.
    query
        Logs in to a restored cluster and reads it.
    clock
        Clock.
    logger
        Logger.
    """

    def __init__(
        self,
        *,
        plan: RestoreTestingPlan,
        clusters: RestoredClusters,
        query: Callable[[RestoredCluster], Contents],
        clock: Clock,
        logger: Logger,
    ) -> None:
        self._plan, self._clusters, self._query = plan, clusters, query
        self._clock, self._logger = clock, logger

    def run(self) -> Report:
        """Take the steps and report."""
        made_at, tests = self._plan.look()
        failures: list[str] = []
        remaining: list[datetime] = []
        for test in tests:
            try:
                if self._advance(test):
                    remaining.append(test.began)
            except Exception as error:  # noqa: BLE001 - one test must not keep the others from being removed
                failures.append(f"{test.id}: {describe(error)}")
                remaining.append(test.began)
        return _report(made_at, tests, remaining, failures)

    def _advance(self, test: RestoreTest) -> bool:
        """Take a step; return whether the cluster is still there."""
        cluster = self._clusters.find(test.cluster) if test.cluster else None
        if cluster is None:
            return False
        if test.restored and test.verdict is None:
            self._examine(test, cluster)
        elif test.ended is not None:
            self._remove(test, cluster)
        return True

    def _examine(self, test: RestoreTest, cluster: RestoredCluster) -> None:
        overdue = self._clock.now() - (test.ended or test.began) > PATIENCE
        try:
            missing = self._prepare(cluster)
            if missing is None:
                self._pass(test, cluster, self._query(cluster))
                return
        except Exception as error:
            if not overdue:
                raise
            missing = describe(error)
        self._logger.info("waits", extra={"test": test.id, "missing": missing})
        if overdue:
            self._clusters.remove_instance(cluster)
            self._plan.conclude(test, passed=False, message=missing)

    def _prepare(self, cluster: RestoredCluster) -> str | None:
        """Do the next thing that the cluster needs; return what it lacks for being queried."""
        if cluster.status != "available":
            return f"the cluster is {cluster.status}"
        if not cluster.scales:
            self._clusters.let_scale(cluster)
            return "the cluster has no capacity"
        if cluster.instance is None:
            self._clusters.add_instance(cluster)
            return "the cluster has no instance"
        if cluster.instance != "available":
            return f"the instance is {cluster.instance}"
        if cluster.secret_arn is None:
            self._clusters.manage_password(cluster)
            return "the master user has no password yet"
        return None

    def _pass(self, test: RestoreTest, cluster: RestoredCluster, contents: Contents) -> None:
        # Before the verdict, upon which AWS Backup removes the cluster.
        self._clusters.remove_instance(cluster)
        found = f"read {contents.rows} rows of {contents.tables} tables; {contents.bytes} bytes in all"
        self._plan.conclude(test, passed=True, message=found)
        details = dataclasses.asdict(contents) | {"test": test.id, "backup": str(test.recovery_point_made)}
        self._logger.info("the restore test passed", extra=details)

    def _remove(self, test: RestoreTest, cluster: RestoredCluster) -> None:
        if cluster.instance not in {None, _LEAVING}:
            self._clusters.remove_instance(cluster)
        elif test.removal_failed and cluster.status != _LEAVING:
            self._clusters.remove(cluster)


def _report(
    made_at: datetime, tests: Sequence[RestoreTest], remaining: Sequence[datetime], failures: Sequence[str]
) -> Report:
    decided = [test for test in tests if test.passed or test.failed]
    restores = [test.ended - test.began for test in tests if test.restored and test.ended]
    return Report(
        passed_at=max([made_at, *(test.ended or test.began for test in tests if test.passed)]),
        failed=bool(decided) and decided[0].failed,
        restore=restores[0] if restores else None,
        oldest_cluster=min(remaining, default=None),
        failures=tuple(failures),
    )
