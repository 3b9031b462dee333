"""Restore tests end in a verdict and leave nothing behind, whatever happens on the way."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from unittest import mock

import pytest
from aws_lambda_powertools import Logger

from gantry_runtime.failures import SafeError
from restore_test import handler as function
from restore_test.cluster import RestoredCluster, RestoredClusters
from restore_test.contents import Contents
from restore_test.examiner import Examiner, Report
from restore_test.plan import RestoreTestingPlan
from tests.aws.restores import KEY, PLAN, Backup, Rds
from tests.aws.secrets_manager import Secret, SecretsManager
from tests.aws.transport import Aws, Crash, Interruptions, SimulatedClock, crash

MINUTES = 60
CONTENTS = Contents(tables=3, rows=1234, bytes=5678)


@dataclass
class Harness:
    clock: SimulatedClock
    backup: Backup
    rds: Rds
    aws: Aws
    interruptions: Interruptions
    query: Callable[[RestoredCluster], Contents] = lambda _: CONTENTS

    def __post_init__(self) -> None:
        self.plan = RestoreTestingPlan(self.aws.client("backup"), PLAN)
        self.restored = RestoredClusters(self.aws.client("rds"), secrets_key=KEY)

    def look(self) -> Report:
        """Examine the tests as the schedule does, five minutes after the last time."""
        self.clock.sleep(5 * MINUTES)
        return Examiner(
            plan=self.plan,
            clusters=self.restored,
            query=self.query,
            clock=self.clock,
            logger=Logger(service="restore-test"),
        ).run()

    def look_until_removed(self, limit: int = 100) -> list[Report]:
        reports = []
        while self.rds.clusters:
            reports.append(self.look())
            assert len(reports) < limit, "the restored cluster is never removed"
        return [*reports, self.look()]

    @property
    def changes(self) -> list[str]:
        """Return the calls that changed something."""
        return [name for name, _ in self.aws.calls if not name.startswith(("Describe", "List", "Get"))]


@pytest.fixture
def harness() -> Harness:
    clock, interruptions = SimulatedClock(), Interruptions()
    master = Secret("master", {"username": "master", "password": "m"}, clock)
    rds = Rds(clock, master)
    backup = Backup(rds, clock)
    models = {"backup": backup, "rds": rds, "secretsmanager": SecretsManager(master)}
    return Harness(clock, backup, rds, Aws(models, clock=clock, interruptions=interruptions), interruptions)


def test_good_database_passes_and_is_removed(harness: Harness) -> None:
    job = harness.backup.restore()
    report = harness.look_until_removed()[-1]
    assert (job.validation, job.deletion) == ("SUCCESSFUL", "SUCCESSFUL")
    assert job.message == "read 1234 rows of 3 tables; 5678 bytes in all"
    assert harness.changes == [
        "ModifyDBCluster",
        "CreateDBInstance",
        "ModifyDBCluster",
        "DeleteDBInstance",
        "PutRestoreValidationResult",
    ]
    assert (report.passed_at, report.failed, report.oldest_cluster) == (job.completed, False, None)
    assert report.restore == timedelta(minutes=10)


def test_database_is_queried_once_it_can_be_logged_in_to(harness: Harness) -> None:
    asked = []

    def query(cluster: RestoredCluster) -> Contents:
        asked.append(cluster)
        return CONTENTS

    harness.query = query
    harness.backup.restore()
    harness.look_until_removed()
    (cluster,) = asked
    assert (cluster.status, cluster.instance, cluster.scales) == ("available", "available", True)
    assert cluster.secret_arn is not None


def test_bad_database_is_tried_again_then_fails_and_is_removed(harness: Harness) -> None:
    def query(_: RestoredCluster) -> Contents:
        raise SafeError("the restored database holds no table of app_owner")

    harness.query = query
    job = harness.backup.restore()
    reports = harness.look_until_removed()
    said = [report.failures for report in reports if report.failures]
    assert set(said) == {(f"{job.id}: the restored database holds no table of app_owner",)}
    assert len(said) > 10
    assert (job.validation, job.deletion) == ("FAILED", "SUCCESSFUL")
    assert job.message == "the restored database holds no table of app_owner"
    assert reports[-1].failed
    assert reports[-1].passed_at == harness.backup.created


def test_failure_that_passes_does_not_decide(harness: Harness) -> None:
    answers: Iterator[Exception | Contents] = iter([ConnectionRefusedError("not yet"), CONTENTS])

    def query(_: RestoredCluster) -> Contents:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    harness.query = query
    job = harness.backup.restore()
    harness.look_until_removed()
    assert job.validation == "SUCCESSFUL"


def test_database_that_never_gets_ready_fails_with_what_it_lacks(harness: Harness) -> None:
    job = harness.backup.restore()
    with mock.patch.object(Rds, "create_db_instance", return_value={"DBInstance": {}}):
        harness.look_until_removed()
    assert (job.validation, job.message) == ("FAILED", "the cluster has no instance")


def test_window_that_ran_out_leaves_nothing(harness: Harness) -> None:
    """AWS Backup tries once to remove the cluster, and cannot while the instance is there."""
    job = harness.backup.restore()
    for _ in range(3):
        harness.look()
    harness.backup.end_window(job)
    assert (job.deletion, len(harness.rds.clusters)) == ("FAILED", 1)
    report = harness.look_until_removed()[-1]
    assert (report.failed, report.oldest_cluster) == (True, None)


def test_restore_that_failed_is_reported(harness: Harness) -> None:
    harness.backup.restore()
    harness.look_until_removed()
    harness.backup.fail()
    assert harness.look().failed
    harness.backup.restore("awsbackup-restore-test-2")
    assert not harness.look_until_removed()[-1].failed


def test_age_of_a_cluster_is_said_as_long_as_it_is_there(harness: Harness) -> None:
    job = harness.backup.restore()
    assert harness.look().oldest_cluster == job.created


def test_trouble_with_one_test_does_not_keep_another_from_ending(harness: Harness) -> None:
    harness.backup.restore("gantry-prod")
    job = harness.backup.restore()
    failures = set()
    for _ in range(20):
        failures |= set(harness.look().failures)
    assert job.validation == "SUCCESSFUL"
    assert failures == {"job-0: gantry-prod was not made by a restore test"}


def test_cluster_that_no_restore_test_made_is_not_touched(harness: Harness) -> None:
    harness.backup.restore("gantry-prod")
    harness.look()
    assert [name for name, _ in harness.aws.calls] == ["GetRestoreTestingPlan", "ListRestoreJobs"]


def test_crash_before_or_after_any_call_only_delays(harness: Harness) -> None:
    point, crashed = 0, True
    while crashed:
        point, crashed = point + 1, False
        job = harness.backup.restore()
        harness.interruptions.arm(point, crash)
        while harness.rds.clusters:
            try:
                harness.look()
            except Crash:
                crashed = True
        harness.interruptions.disarm()
        assert job.validation == "SUCCESSFUL", point
        harness.backup.jobs.clear()
    assert point > 30


def test_name_of_an_instance_is_within_the_limit(harness: Harness) -> None:
    name = "awsbackup-restore-test-" + 40 * "a"
    harness.restored.add_instance(
        RestoredCluster(
            name=name, status="available", host="", port=0, scales=True, instance=None, secret_arn=None
        )
    )
    _, parameters = harness.aws.calls[-1]
    assert len(parameters["DBInstanceIdentifier"]) == 63


def test_function_measures_and_raises_what_went_wrong(
    harness: Harness, capsys: pytest.CaptureFixture[str]
) -> None:
    harness.backup.fail()
    harness.clock.sleep(86400)
    environ = {"PLAN_NAME": PLAN, "DATABASE": "app", "SECRETS_KEY_ARN": KEY}
    function._examiner.cache_clear()
    with (
        mock.patch.dict(os.environ, environ),
        mock.patch("boto3.client", harness.aws.client),
        mock.patch.object(function, "_clock", return_value=harness.clock),
    ):
        function.handler({}, object())
        harness.backup.restore("gantry-prod")
        with pytest.raises(function.RestoreTestError, match="was not made by a restore test") as caught:
            function.handler({}, object())
    function._examiner.cache_clear()
    assert caught.value.__context__ is None
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    (definition,) = documents[0]["_aws"]["CloudWatchMetrics"]
    assert definition["Namespace"] == "Gantry"
    assert [sorted(names) for names in definition["Dimensions"]] == [["Plan", "service"]]
    assert (documents[0]["Plan"], documents[0]["service"]) == (PLAN, "restore-test")
    said = {metric["Name"]: documents[0][metric["Name"]][0] for metric in definition["Metrics"]}
    assert said["DaysSinceRestoreTest"] == pytest.approx(1, rel=0.01)
    assert (said["RestoreTestFailed"], said["HoursRestoredClusterKept"]) == (1, 0)
    assert documents[1]["HoursRestoredClusterKept"][0] > 0
