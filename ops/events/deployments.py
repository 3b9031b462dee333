"""Deployments, as the ledger, CloudFormation and ECS record them."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ops.deployments import show
from ops.deployments.ledger import Ledger
from ops.events.event import Event, Kind
from ops.failures import is_failure
from ops.status.look import Look

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import StackEventTypeDef

# What comes before a deployment, and after one that is done.
_ROUTINE = ("REVIEW_IN_PROGRESS", "CLEANUP_IN_PROGRESS")


def of_ledger(look: Look, start: datetime) -> Iterator[Event]:
    """Yield when each deployment that has an entry began and ended, with its caller."""
    ledger = Ledger(look.environment.dynamodb, look.outputs("state")["LedgerTableName"])
    for entry in ledger.entries():
        what = f"{entry.start.kind} {entry.id}"
        if entry.start.began >= start:
            reason = f" ({entry.start.reason})" if entry.start.reason else ""
            text = f"begun by {show.name(entry.start.by)}{reason}"
            yield Event(time=entry.start.began, kind=Kind.DEPLOYMENT, subject=what, text=text)
        if entry.outcome and (ended := datetime.fromisoformat(entry.outcome.ended)) >= start:
            cause = f": {entry.outcome.cause}" if entry.outcome.cause else ""
            text = f"{entry.outcome.result}{cause}"
            yield Event(time=ended, kind=Kind.DEPLOYMENT, subject=what, text=text)


def of_stacks(look: Look, start: datetime) -> Iterator[Event]:
    """Yield when each stack changed its status, and the resources that failed."""
    for layer, region in look.settings.places.items():
        client = look.environment.cloudformation_in(region)
        for event in _events(client, look.settings.stack_name(layer), start):
            status, reason = event.get("ResourceStatus", ""), event.get("ResourceStatusReason")
            said = f": {reason}" if reason else ""
            if event.get("PhysicalResourceId") != event["StackId"]:
                if not is_failure(event):
                    continue
                said = f" {event['LogicalResourceId']} ({event['ResourceType']}) {status}{said}"
            elif status.endswith(_ROUTINE):
                continue
            else:
                said = f" {status}{said}"
            yield Event(
                time=event["Timestamp"],
                kind=Kind.DEPLOYMENT,
                subject=event["StackName"],
                text=said.strip(),
            )


def _events(client: "CloudFormationClient", stack: str, start: datetime) -> "Iterator[StackEventTypeDef]":
    """Yield the events since a time, the newest first."""
    try:
        for page in client.get_paginator("describe_stack_events").paginate(StackName=stack):
            for event in page["StackEvents"]:
                if event["Timestamp"] < start:
                    return
                yield event
    except ClientError as error:
        if "does not exist" not in str(error):
            raise


def of_service(look: Look, start: datetime) -> Iterator[Event]:
    """Yield when each deployment of the service began and ended."""
    outputs = look.outputs("compute")
    client, cluster, name = look.environment.ecs, outputs["ClusterName"], outputs["ServiceName"]
    token = ""
    while True:
        answer = (
            client.list_service_deployments(cluster=cluster, service=name, nextToken=token)
            if token
            else client.list_service_deployments(cluster=cluster, service=name)
        )
        for each in answer["serviceDeployments"]:
            number = each["serviceDeploymentArn"].rpartition("/")[2]
            reason = f": {each['statusReason']}" if each.get("statusReason") else ""
            moments = {
                each["createdAt"]: "began",
                each.get("finishedAt"): f"{each['status']}{reason}",
            }
            for moment, text in moments.items():
                if moment is not None and moment >= start:
                    yield Event(
                        time=moment,
                        kind=Kind.DEPLOYMENT,
                        subject=f"service deployment {number}",
                        text=text,
                    )
        token = answer.get("nextToken", "")
        if not token or any(each["createdAt"] < start for each in answer["serviceDeployments"]):
            return
