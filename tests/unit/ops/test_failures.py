"""Why a deployment failed: the cause, and none of its consequences."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import ANY, Stubber

from ops import failures
from ops.aws import Environment
from stacks.settings import load_settings

SETTINGS = load_settings("sandbox", environ={})
STACK = "gantry-sandbox-compute"
STACK_ID = f"arn:aws:cloudformation:us-east-1:000000000000:stack/{STACK}/1"
SERVICE = "arn:aws:ecs:us-east-1:000000000000:service/gantry-sandbox/gantry-sandbox"
NOW = datetime.now(UTC).replace(microsecond=0)


def event(resource: str, status: str, reason: str = "", *, age: float = 1, **more: str) -> dict[str, Any]:
    """Return an event that is some seconds old."""
    return {
        "StackId": STACK_ID, "StackName": STACK, "EventId": f"{resource}-{status}-{age}",
        "LogicalResourceId": resource, "ResourceType": "AWS::S3::Bucket",
        "ResourceStatus": status, "ResourceStatusReason": reason,
        "Timestamp": NOW - timedelta(seconds=age),
    } | more  # fmt: skip


class Aws:
    """An account whose stack has failed with these events, the newest first; its clock is an hour fast."""

    def __init__(self, *events: dict[str, Any]) -> None:
        clock = {"date": f"{NOW + timedelta(hours=1):%a, %d %b %Y %H:%M:%S} GMT"}
        metadata = {"HTTPHeaders": clock, "HTTPStatusCode": 200}
        late = [each | {"Timestamp": each["Timestamp"] + timedelta(hours=1)} for each in events]
        self.clients: dict[str, Any] = {}
        self._stubs: dict[str, Stubber] = {}
        for name in ("cloudformation", "ecs", "logs"):
            session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
            self.clients[name] = session.client(name)
            self._stubs[name] = Stubber(self.clients[name])
            self._stubs[name].activate()
        summaries = [
            {"StackName": name, "StackId": STACK_ID, "StackStatus": status, "CreationTime": NOW}
            for name, status in (
                ("gantry-sandbox-standby-compute", "ROLLBACK_COMPLETE"),
                ("gantry-sandbox-state", "CREATE_COMPLETE"),
                (STACK, "UPDATE_ROLLBACK_COMPLETE"),
            )
        ]
        self.answer("cloudformation", "list_stacks", {"StackSummaries": summaries})
        self.answer(
            "cloudformation", "describe_stack_events", {"StackEvents": late, "ResponseMetadata": metadata}
        )

    def answer(self, service: str, operation: str, answer: dict[str, Any], **expected: object) -> None:
        self._stubs[service].add_response(operation, answer, expected or None)

    def causes(self, *, seconds: float = 60) -> list[failures.Cause]:
        """Return the causes of what failed in the last seconds."""
        environment: Any = SimpleNamespace(
            settings=SETTINGS, endpoint_url=None,
            cloudformation_in=lambda _region: self.clients["cloudformation"],
            ecs=self.clients["ecs"], logs=self.clients["logs"],
        )  # fmt: skip
        return failures.causes(environment, began=time.time() - seconds)


def test_first_failure_is_the_cause_and_what_followed_is_not() -> None:
    aws = Aws(
        event("Logs", "DELETE_FAILED", "not empty", age=1),
        event(STACK, "ROLLBACK_IN_PROGRESS", "[Logs] failed", age=2, PhysicalResourceId=STACK_ID),
        event("Queue", "CREATE_FAILED", "Resource creation cancelled", age=3),
        event("Second", "CREATE_FAILED", "a consequence", age=4),
        event("First", "CREATE_FAILED", "the bucket exists already", age=5),
        event("Other", "UPDATE_FAILED", "Resource update cancelled", age=6),
        event(STACK, "CREATE_FAILED", "of the stack itself", age=7, PhysicalResourceId=STACK_ID),
    )
    (cause,) = aws.causes()
    assert cause.as_error().message == (
        f"{STACK} failed at First (AWS::S3::Bucket):\n  the bucket exists already"
    )


def test_failure_of_an_earlier_deployment_is_not_taken_for_this_ones() -> None:
    events = [event("New", "UPDATE_COMPLETE", age=3), event("Old", "UPDATE_FAILED", "long ago", age=90)]
    assert Aws(*events).causes(seconds=60) == []
    assert [cause.reason for cause in Aws(*events).causes(seconds=120)] == ["long ago"]


def test_failed_service_comes_with_how_its_task_stopped_and_what_it_logged() -> None:
    failed = event("Web", "UPDATE_FAILED", "circuit breaker", age=2, ResourceType="AWS::ECS::Service")
    aws = Aws(failed, event("Web", "UPDATE_COMPLETE", age=30, PhysicalResourceId=SERVICE))
    task = {
        "taskArn": "arn:aws:ecs:us-east-1:000000000000:task/gantry-sandbox/0123456789abcdef",
        "taskDefinitionArn": "web:2", "createdAt": NOW, "stoppedReason": "Essential container in task exited",
        "containers": [{"name": "proxy"}, {"name": "service", "exitCode": 78}],
    }  # fmt: skip
    older = task | {"taskArn": "old", "createdAt": NOW - timedelta(minutes=1)}
    replaced = task | {
        "taskArn": "replaced", "createdAt": NOW + timedelta(minutes=1),
        "stoppedReason": "Scaling activity initiated by (deployment ecs-svc/1)",
    }  # fmt: skip
    where = {"cluster": "gantry-sandbox"}
    aws.answer(
        "ecs",
        "list_tasks",
        {"taskArns": ["a"]},
        serviceName="gantry-sandbox",
        desiredStatus="STOPPED",
        **where,
    )
    aws.answer("ecs", "describe_tasks", {"tasks": [older, task, replaced]}, tasks=["a"], **where)
    options = {"awslogs-group": "/service", "awslogs-stream-prefix": "web"}
    container = {"name": "service", "logConfiguration": {"logDriver": "awslogs", "options": options}}
    aws.answer("ecs", "describe_task_definition", {"taskDefinition": {"containerDefinitions": [container]}})
    aws.answer(
        "logs", "get_log_events", {"events": [{"message": "no such variable\n"}]},
        logGroupName="/service", logStreamName="web/service/0123456789abcdef", limit=ANY,
    )  # fmt: skip
    (cause,) = aws.causes()
    assert (
        cause.task == "Task 0123456789ab stopped: Essential container in task exited (service with code 78)"
    )
    assert cause.as_error().detail == "no such variable"


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="x"),
        ClientError({"Error": {"Code": "AccessDenied"}}, "ListStacks"),
    ],
)
def test_nothing_is_claimed_when_aws_cannot_be_asked(error: Exception) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise error

    environment = SimpleNamespace(
        settings=SETTINGS, cloudformation_in=lambda _: SimpleNamespace(get_paginator=refuse)
    )
    asked: Environment = environment  # type: ignore[assignment]
    assert failures.causes(asked, began=time.time()) == []
