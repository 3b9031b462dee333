"""Services, their deployments and tasks ("Amazon ECS services", "DescribeServices" and "DescribeTasks")."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.conftest import Service

Subject = tuple[Service, str, str]


def service_of(subject: Subject) -> dict[str, Any]:
    ecs, cluster, name = subject
    (found,) = ecs.client.describe_services(cluster=cluster, services=[name])["services"]
    return dict(found)


def tasks(subject: Subject, status: str) -> list[dict[str, Any]]:
    ecs, cluster, _ = subject
    pages = ecs.client.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=status)
    arns = [arn for page in pages for arn in page["taskArns"]]
    return list(ecs.client.describe_tasks(cluster=cluster, tasks=arns)["tasks"]) if arns else []


def rests(subject: Subject) -> bool:
    deployments = service_of(subject)["deployments"]
    return [each["rolloutState"] for each in deployments] == ["COMPLETED"]


def deploy(subject: Subject) -> str:
    ecs, cluster, name = subject
    ecs.client.update_service(cluster=cluster, service=name, forceNewDeployment=True)
    return str(service_of(subject)["deployments"][0]["id"])


def test_service_that_is_not_there_is_no_error(ecs: Subject) -> None:
    client, cluster, _ = ecs
    answer = client.client.describe_services(cluster=cluster, services=["no-such-service"])
    assert (answer["services"], [each["reason"] for each in answer["failures"]]) == ([], ["MISSING"])


def test_task_that_is_not_there_is_no_error(ecs: Subject) -> None:
    client, cluster, _ = ecs
    answer = client.client.describe_tasks(cluster=cluster, tasks=["0" * 32])
    assert (answer["tasks"], [each["reason"] for each in answer["failures"]]) == ([], ["MISSING"])


def test_cluster_that_is_not_there_is_an_error(ecs: Subject) -> None:
    client, _, name = ecs
    with pytest.raises(ClientError) as error:
        client.client.describe_services(cluster="no-such-cluster", services=[name])
    assert error.value.response["Error"]["Code"] == "ClusterNotFoundException"


def test_forced_deployment_comes_first_and_replaces_every_task(ecs: Subject) -> None:
    before = {each["id"] for each in service_of(ecs)["deployments"]}
    deployment = deploy(ecs)
    first = service_of(ecs)["deployments"][0]
    assert (first["id"], first["rolloutState"]) == (deployment, "IN_PROGRESS")
    assert deployment not in before
    assert before <= {each["id"] for each in service_of(ecs)["deployments"]}
    ecs[0].wait_until(lambda: rests(ecs))
    running = tasks(ecs, "RUNNING")
    assert {each["startedBy"] for each in running} == {deployment}
    assert {each["group"] for each in running} == {f"service:{ecs[2]}"}
    assert min(each["createdAt"] for each in running) >= first["createdAt"]
    assert service_of(ecs)["deployments"][0]["createdAt"] == first["createdAt"]


def test_tasks_that_a_deployment_replaced_are_listed_as_stopped(ecs: Subject) -> None:
    earlier = {each["taskArn"] for each in tasks(ecs, "RUNNING")}
    deploy(ecs)
    ecs[0].wait_until(lambda: rests(ecs) and earlier <= stopped(ecs).keys())
    assert all(stopped(ecs)[arn]["createdAt"] < stopped(ecs)[arn]["stoppedAt"] for arn in earlier)


def stopped(subject: Subject) -> dict[str, dict[str, Any]]:
    return {each["taskArn"]: each for each in tasks(subject, "STOPPED") if each["lastStatus"] == "STOPPED"}


def test_task_that_is_stopped_is_replaced_within_its_deployment(ecs: Subject) -> None:
    client, cluster, _ = ecs
    first, *_ = tasks(ecs, "RUNNING")
    wanted = service_of(ecs)["runningCount"]
    client.client.stop_task(cluster=cluster, task=first["taskArn"], reason="contract")
    client.wait_until(
        lambda: (
            first["taskArn"] not in {each["taskArn"] for each in tasks(ecs, "RUNNING")}
            and service_of(ecs)["runningCount"] == wanted
        )
    )
    assert {each["startedBy"] for each in tasks(ecs, "RUNNING")} == {first["startedBy"]}
