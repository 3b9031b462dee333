from typing import Any

import pytest

from sandbox.tasks.definition import TaskDefinition, TaskError
from sandbox.tasks.specification import CircuitBreaker, ServiceSpec, ThresholdType


@pytest.mark.parametrize(
    ("desired", "threshold"), [(1, 3), (2, 3), (6, 3), (7, 4), (25, 13), (400, 200), (800, 200)]
)
def test_the_circuit_breakers_threshold_is_half_the_desired_count_within_bounds(
    desired: int, threshold: int
) -> None:
    assert CircuitBreaker.from_api({"enable": True}).threshold(desired) == threshold


@pytest.mark.parametrize(
    ("kind", "value", "desired", "threshold"),
    [("COUNT", 1, 100, 1), ("UNBOUNDED_PERCENT", 10, 10, 1), ("BOUNDED_PERCENT", 100, 10, 10)],
)
def test_the_threshold_can_be_configured(kind: str, value: int, desired: int, threshold: int) -> None:
    breaker = CircuitBreaker.from_api({"thresholdConfiguration": {"type": kind, "value": value}})
    assert breaker.threshold_type is ThresholdType(kind)
    assert breaker.threshold(desired) == threshold


@pytest.mark.parametrize(
    ("desired", "minimum", "maximum", "fewest", "most"),
    [(4, 50, 200, 2, 8), (2, 75, 125, 2, 2), (3, 100, 125, 3, 3), (1, 0, 150, 0, 1), (0, 100, 200, 0, 0)],
)
def test_percentages_are_rounded_as_ecs_rounds_them(
    desired: int, minimum: int, maximum: int, fewest: int, most: int
) -> None:
    spec = service(
        desiredCount=desired,
        deploymentConfiguration={"minimumHealthyPercent": minimum, "maximumPercent": maximum},
    )
    assert (spec.minimum_healthy, spec.maximum_running) == (fewest, most)


def test_defaults_are_those_of_ecs() -> None:
    spec = service()
    assert (spec.minimum_healthy_percent, spec.maximum_percent) == (100, 200)
    assert spec.circuit_breaker == CircuitBreaker(enable=False, rollback=False, reset_on_healthy_task=True)
    assert spec.container.stop_timeout == 30


def test_a_specification_can_be_made_again_from_its_documents() -> None:
    spec = service(desiredCount=3, loadBalancers=[{"targetGroupArn": "tg", "containerName": "web"}])
    assert ServiceSpec.from_api(**spec.source) == spec


def test_only_a_new_definition_or_target_replaces_tasks() -> None:
    before = service(desiredCount=1)
    assert not service(desiredCount=5, healthCheckGracePeriodSeconds=9).needs_deployment(before)
    assert service(revision=2).needs_deployment(before)
    assert service(loadBalancers=[{"containerName": "web"}]).needs_deployment(before)


def test_the_container_behind_the_load_balancer_is_the_one_that_runs() -> None:
    definition = TaskDefinition.from_api(
        task_definition(
            1, {"name": "sidecar", "image": "x", "essential": False}, {"name": "web", "image": "y"}
        )
    )
    assert definition.main_container().name == "web"
    assert definition.main_container("sidecar").name == "sidecar"
    with pytest.raises(TaskError, match="web:1 has not got a container named 'api', only: sidecar, web"):
        definition.main_container("api")


def test_logs_go_somewhere_only_with_the_awslogs_driver() -> None:
    awslogs = {"logDriver": "awslogs", "options": {"awslogs-group": "/g", "awslogs-stream-prefix": "p"}}
    for configuration, group in ((awslogs, "/g"), ({"logDriver": "json-file"}, None), ({}, None)):
        container = {"name": "web", "image": "x", "logConfiguration": configuration}
        definition = TaskDefinition.from_api(task_definition(1, container))
        logs = definition.main_container().logs
        assert (logs.group if logs else None) == group


def service(*, revision: int = 1, **properties: Any) -> ServiceSpec:  # noqa: ANN401 - as the API has them
    return ServiceSpec.from_api(
        service={
            "clusterArn": "arn:aws:ecs:us-east-1:000000000000:cluster/c",
            "serviceArn": "arn:aws:ecs:us-east-1:000000000000:service/c/web",
            "serviceName": "web",
            **properties,
        },
        task_definition=task_definition(revision, {"name": "web", "image": "x"}),
    )


def task_definition(revision: int, *containers: dict[str, Any]) -> dict[str, Any]:
    return {
        "taskDefinitionArn": f"arn:aws:ecs:us-east-1:000000000000:task-definition/web:{revision}",
        "family": "web",
        "revision": revision,
        "containerDefinitions": list(containers),
    }
