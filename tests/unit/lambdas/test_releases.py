"""Which releases are stopped, and which are left to end by themselves."""

from datetime import timedelta
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from rotation.releases import Releases
from tests.aws.service_deployments import ARN, ServiceDeployments
from tests.aws.transport import Aws, AwsError, Interruptions, SimulatedClock

LIMIT = timedelta(minutes=18)


def stopped(age: timedelta, **changes: object) -> list[str]:
    """Return what is stopped in two runs, when the deployment is as old as that."""
    clock = SimulatedClock()
    model = ServiceDeployments(clock.now(), **changes)
    clock.sleep(age.total_seconds())
    aws = Aws({"ecs": model}, clock=clock, interruptions=Interruptions())
    releases = Releases(
        aws.client("ecs"), cluster="gantry", service="web", limit=LIMIT, clock=clock, logger=Logger()
    )
    try:
        return releases.stop_overdue() + releases.stop_overdue()
    finally:
        aws.close()


@pytest.mark.parametrize("strategy", ["BLUE_GREEN", "CANARY", "LINEAR"])
def test_release_that_does_not_start_is_rolled_back_once(strategy: str) -> None:
    assert stopped(timedelta(minutes=19), deploymentConfiguration={"strategy": strategy}) == [ARN]


@pytest.mark.parametrize("code", ["ConflictException", "ServiceDeploymentNotFoundException"])
def test_release_that_another_function_stops_at_the_same_time_is_no_failure(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AwsError(code, "being stopped")

    monkeypatch.setattr(ServiceDeployments, "stop_service_deployment", refuse)
    assert stopped(timedelta(minutes=19)) == [ARN, ARN]


def test_release_has_its_time_to_start() -> None:
    assert stopped(timedelta(minutes=17)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"lifecycleStage": "BAKE_TIME"},
        {"lifecycleStage": "PRODUCTION_TRAFFIC_SHIFT"},
        {"status": "ROLLBACK_IN_PROGRESS"},
        {"sourceServiceRevisions": []},
        {"deploymentConfiguration": {"strategy": "ROLLING"}},
        {"deploymentConfiguration": {}},
    ],
    ids=str,
)
def test_release_that_serves_ends_or_cannot_go_back_is_left_alone(changes: dict[str, Any]) -> None:
    assert stopped(timedelta(hours=30), **changes) == []
