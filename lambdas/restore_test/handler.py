"""Tests restored databases: queries them, reports the result to AWS Backup, and removes what it added.

A schedule calls it; what it is called with does not matter.
"""

import dataclasses
import os
import secrets
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from contract import metrics as published
from gantry_runtime import postgres
from gantry_runtime.clock import Clock
from gantry_runtime.failures import SafeError, describe
from gantry_runtime.secrets import read_json
from restore_test import contents
from restore_test.cluster import RestoredCluster, RestoredClusters
from restore_test.examiner import Examiner, Report
from restore_test.plan import RestoreTestingPlan

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

logger = Logger(service="restore-test")
metrics = Metrics(namespace=published.NAMESPACE, service=published.RESTORE_TEST)
_SECONDS_A_DAY, _SECONDS_AN_HOUR = 86400, 3600


class RestoreTestError(SafeError):
    """What the function returns to its caller."""


def handler(_event: object, _context: object) -> dict[str, Any]:
    """Take a step with every restore test that needs one, and report.

    Raises
    ------
    RestoreTestError
        When a step failed; it is repeated at the next call. Nothing that a library raised leaves here.
    """
    try:
        report = _examiner().run()
        _measure(report, _clock().now())
        failure = "; ".join(report.failures)
    except Exception as error:  # noqa: BLE001 - see above
        failure = describe(error)
    if failure:
        # Outside of the handler, so that the new error does not carry the old one.
        logger.error("failed", extra={"failure": failure})
        raise RestoreTestError(failure)
    return {name: str(value) for name, value in dataclasses.asdict(report).items()}


@cache
def _clock() -> Clock:
    return Clock()


@cache
def _examiner() -> Examiner:
    return assemble(os.environ, _clock())


def assemble(environ: Mapping[str, str], clock: Clock) -> Examiner:
    """Return the examiner of the plan that the environment names.

    Parameters
    ----------
    environ
        PLAN_NAME, DATABASE, SECRETS_KEY_ARN.
    clock
        Clock.
    """
    client = boto3.client("secretsmanager")
    return Examiner(
        plan=RestoreTestingPlan(boto3.client("backup"), environ["PLAN_NAME"]),
        clusters=RestoredClusters(boto3.client("rds"), secrets_key=environ["SECRETS_KEY_ARN"]),
        query=lambda cluster: _query(client, cluster, environ["DATABASE"]),
        clock=clock,
        logger=logger,
    )


def _query(client: "SecretsManagerClient", cluster: RestoredCluster, database: str) -> contents.Contents:
    master, password = read_json(client, str(cluster.secret_arn)), secrets.token_urlsafe(32)
    with postgres.privileged(
        host=cluster.host,
        port=cluster.port,
        database=postgres.ANY_DATABASE,
        user=master["username"],
        password=master["password"],
    ) as opened:
        contents.set_up_reader(opened, password)
    with postgres.connection(
        host=cluster.host,
        port=cluster.port,
        database=database,
        user=contents.READER,
        password=password,
        settings=contents.SETTINGS,
    ) as opened:
        return contents.read(opened)


def _measure(report: Report, now: datetime) -> None:
    metrics.add_dimension(published.RESTORE_TEST_DIMENSION, os.environ["PLAN_NAME"])
    age = (now - report.passed_at).total_seconds()
    metrics.add_metric(published.DAYS_SINCE_RESTORE_TEST, MetricUnit.Count, age / _SECONDS_A_DAY)
    metrics.add_metric(published.RESTORE_TEST_FAILED, MetricUnit.Count, float(report.failed))
    kept = (now - report.oldest_cluster).total_seconds() if report.oldest_cluster else 0.0
    metrics.add_metric(published.HOURS_RESTORED_CLUSTER_KEPT, MetricUnit.Count, kept / _SECONDS_AN_HOUR)
    if report.restore is not None:
        metrics.add_metric("RestoreMinutes", MetricUnit.Count, report.restore.total_seconds() / 60)
    metrics.flush_metrics()
