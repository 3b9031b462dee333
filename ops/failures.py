"""Why a deployment failed: the first failure in each stack's events, and what the stopped task logged."""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws import Environment, time_of
from ops.console import CliError, printable, tail
from ops.paths import SANDBOX_DIR
from stacks.settings import Settings

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import StackEventTypeDef, StackSummaryTypeDef
    from types_boto3_ecs.type_defs import TaskTypeDef

_ROLLED_BACK = re.compile("ROLLBACK|FAILED")
_FAILED = frozenset({"CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED", "IMPORT_FAILED"})
# CloudFormation says so of what it was working on when something else failed: the consequence, not the cause.
_CANCELLED = ("Resource creation cancelled", "Resource update cancelled", "Resource deletion cancelled")
# ECS says so of a task that it stopped because there were too many, not because it failed.
_MADE_ROOM = "Scaling activity initiated"
_LOG_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Cause:
    """The first failure in a stack.

    Attributes
    ----------
    stack
        The stack.
    resource
        Logical id and type of the resource that failed.
    reason
        CloudFormation's own.
    task
        How the task stopped whose service failed, if there is one.
    log
        The last lines that this task logged.
    """

    stack: str
    resource: str
    reason: str
    task: str = ""
    log: str = ""

    def as_error(self, *, remedy: str | None = None) -> CliError:
        """Return the failure for the operator, the evidence first."""
        message = f"{self.stack} failed at {self.resource}:\n  {self.reason}"
        return CliError(message + (f"\n  {self.task}" if self.task else ""), detail=self.log, remedy=remedy)


def causes(environment: Environment, *, began: float) -> list[Cause]:
    """Return the first failure of each stack since a moment of `time.time`, the earliest stack first.

    Nothing when AWS cannot be asked: what the CDK CLI said then has to do.
    """
    found: list[tuple[datetime, Cause]] = []
    for region in environment.settings.regions:
        client = environment.cloudformation_in(region)
        with suppress(ClientError, BotoCoreError):
            for stack in _stacks(client, environment.settings):
                if not _ROLLED_BACK.search(stack["StackStatus"]):
                    continue
                events = list(_events(client, stack["StackId"], began=began))
                if first := _first_failure(reversed(events)):
                    found.append((first["Timestamp"], _cause(environment, first, events)))
    return [cause for _, cause in sorted(found, key=lambda each: each[0])]


def in_progress(environment: Environment) -> list[str]:
    """Return the stacks on which CloudFormation works, each with its status."""
    settings = environment.settings
    return [
        f"{stack['StackName']} ({stack['StackStatus']})"
        for region in settings.regions
        for stack in _stacks(environment.cloudformation_in(region), settings)
        if stack["StackStatus"].endswith("_IN_PROGRESS") and stack["StackStatus"] != "REVIEW_IN_PROGRESS"
    ]


def _stacks(client: "CloudFormationClient", settings: Settings) -> "Iterator[StackSummaryTypeDef]":
    names = {settings.stack_name(layer) for layer in settings.places}
    for page in client.get_paginator("list_stacks").paginate():
        for stack in page["StackSummaries"]:
            if stack["StackName"] in names:
                yield stack


def _events(client: "CloudFormationClient", stack: str, *, began: float) -> "Iterator[StackEventTypeDef]":
    """Yield the events since a moment, the newest first."""
    for page in client.get_paginator("describe_stack_events").paginate(StackName=stack):
        earliest = time_of(page) - timedelta(seconds=time.time() - began + 1)
        for event in page["StackEvents"]:
            if event["Timestamp"] < earliest:
                return
            yield event


def _first_failure(events: "Iterable[StackEventTypeDef]") -> "StackEventTypeDef | None":
    return next(filter(is_failure, events), None)


def is_failure(event: "StackEventTypeDef") -> bool:
    """Return whether an event is a resource's own failure."""
    of_stack = event.get("PhysicalResourceId") == event["StackId"]
    cancelled = event.get("ResourceStatusReason", "").startswith(_CANCELLED)
    return event.get("ResourceStatus") in _FAILED and not of_stack and not cancelled


def _cause(environment: Environment, event: "StackEventTypeDef", events: "list[StackEventTypeDef]") -> Cause:
    logical_id, kind = event["LogicalResourceId"], event["ResourceType"]
    task = log = ""
    if kind == "AWS::ECS::Service":
        arns = (each.get("PhysicalResourceId") for each in events if each["LogicalResourceId"] == logical_id)
        task, log = _stopped_task(environment, next(filter(None, arns), ""))
    return Cause(
        stack=event["StackName"],
        resource=f"{logical_id} ({kind})",
        reason=event.get("ResourceStatusReason") or "CloudFormation gives no reason.",
        task=task,
        log=printable(log),
    )


def _stopped_task(environment: Environment, service: str) -> tuple[str, str]:
    """Return how the newest task of a service stopped that failed, and what it logged last."""
    cluster, name = service.split("/")[-2:] if service.count("/") > 1 else ("", "")
    with suppress(ClientError, BotoCoreError):
        arns = environment.ecs.list_tasks(cluster=cluster, serviceName=name, desiredStatus="STOPPED")[
            "taskArns"
        ]
        tasks = environment.ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        failed = [task for task in tasks if not task.get("stoppedReason", "").startswith(_MADE_ROOM)]
        if failed:
            task = max(failed, key=lambda each: each["createdAt"])
            return _how_it_stopped(task), _log_of(environment, task)
    return "", _newest_log() if environment.endpoint_url else ""


def _how_it_stopped(task: "TaskTypeDef") -> str:
    codes = [
        f"{each['name']} with code {each['exitCode']}" for each in task["containers"] if "exitCode" in each
    ]
    ended = f" ({', '.join(codes)})" if codes else ""
    return f"Task {task['taskArn'].rsplit('/', 1)[-1][:12]} stopped: {task.get('stoppedReason', '')}{ended}"


def _log_of(environment: Environment, task: "TaskTypeDef") -> str:
    """Return the last lines of the container that failed, of the first one if none did."""
    definition = environment.ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])
    container = max(task["containers"], key=lambda each: bool(each.get("exitCode")))["name"]
    for each in definition["taskDefinition"]["containerDefinitions"]:
        options = each.get("logConfiguration", {}).get("options", {})
        if each["name"] == container and "awslogs-group" in options:
            stream = f"{options['awslogs-stream-prefix']}/{container}/{task['taskArn'].rsplit('/', 1)[-1]}"
            events = environment.logs.get_log_events(
                logGroupName=options["awslogs-group"], logStreamName=stream, limit=_LOG_LINES
            )["events"]
            return "\n".join(event["message"].rstrip() for event in events)
    return ""


def _newest_log() -> str:
    """Return the end of the newest task's log in the sandbox, whose service a rollback has removed."""
    logs = sorted((SANDBOX_DIR / "logs" / "tasks").glob("*.log"), key=lambda path: path.stat().st_mtime)
    return tail(logs[-1], _LOG_LINES) if logs else ""
