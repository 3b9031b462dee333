"""The function of one secret: rotates it, and reconciles it afterwards.

Secrets Manager calls it with the steps of a rotation. An operator may ask what an earlier version still
opens (`{"Openings": "<version id>"}`). Everything else that calls it, a schedule, an event of ECS or an
operator, has it reconcile the secret and gets a report.
"""

import dataclasses
import os
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

from contract import metrics as published
from gantry_runtime.failures import SafeError, describe
from rotation.reconciler import Report
from rotation.wiring import Parts, assemble

logger = Logger(service="rotation")
metrics = Metrics(namespace=published.NAMESPACE, service=published.ROTATION)
tracer = Tracer(service="rotation", patch_modules=["botocore"])
_SECONDS_A_DAY, _SECONDS_AN_HOUR = 86400, 3600


class RotationFailedError(SafeError):
    """What the function returns to its caller."""


@tracer.capture_lambda_handler(capture_response=False)
def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any] | None:
    """Run a step, or reconcile the secret.

    Raises
    ------
    RotationFailedError
        When it cannot be done. Nothing that a library raised leaves this function, nor does its traceback.
    """
    try:
        return _dispatch(event)
    except Exception as error:  # noqa: BLE001 - see above
        failure = describe(error)
    # Outside of the handler, so that the new error does not carry the old one.
    about = {"step": event.get("Step"), "version": event.get("ClientRequestToken")}
    logger.error("failed", extra={"failure": failure, **about})
    raise RotationFailedError(failure)


def _dispatch(event: Mapping[str, Any]) -> dict[str, Any] | None:
    parts = _parts()
    if "Openings" in event:
        return dict(parts.strategy.openings(parts.store.require(event["Openings"])))
    if "Step" not in event:
        with logger.append_context_keys(secret=parts.store.arn):
            # First: a rotation waits for the deployment that is in progress.
            if parts.releases is not None:
                parts.releases.stop_overdue()
            report = parts.reconciler.run()
        _measure(report, parts.clock.now())
        if parts.rotator is not None:
            _measure_age(*parts.rotator(), parts.clock.now())
        return _as_json(report)
    if event["SecretId"] != parts.store.arn:
        raise SafeError(f"this function rotates {parts.store.arn} and not {event['SecretId']}")
    step, token = event["Step"], event["ClientRequestToken"]
    tracer.put_annotation("step", step)
    with logger.append_context_keys(secret=parts.store.arn, step=step, version=token):
        parts.rotation.run(step, token)
    return None


@cache
def _parts() -> Parts:
    return assemble(os.environ, logger)


def _measure(report: Report, now: datetime) -> None:
    active = 0.0 if report.reconciled else (now - report.expected).total_seconds()
    metrics.add_metric(published.HOURS_PREVIOUS_ACTIVE, MetricUnit.Count, max(0.0, active) / _SECONDS_AN_HOUR)
    _measure_age(report.name, report.rotated_at, now)


def _measure_age(secret: str, since: datetime, now: datetime) -> None:
    metrics.add_dimension(published.ROTATION_DIMENSION, secret)
    age = (now - since).total_seconds()
    metrics.add_metric(published.DAYS_SINCE_ROTATION, MetricUnit.Count, age / _SECONDS_A_DAY)
    metrics.flush_metrics()


def _as_json(report: Report) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in dataclasses.asdict(report).items()
    }
