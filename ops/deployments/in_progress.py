"""What AWS works on in an environment, by whomever it was begun, and how that is stopped."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ops.aws import Environment
from ops.console import CliError, err

if TYPE_CHECKING:
    from types_boto3_cloudformation.type_defs import StackTypeDef
    from types_boto3_ecs.literals import ServiceDeploymentStatusType
    from types_boto3_ecs.type_defs import ServiceTypeDef, TaskTypeDef

_DEPLOYING: "tuple[ServiceDeploymentStatusType, ...]" = (
    "PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS",
)  # fmt: skip
_CANCELLABLE = "UPDATE_IN_PROGRESS"  # CancelUpdateStack: "You can cancel only stacks that are in" this state
STUCK = frozenset({"UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED"})
_LOOK_SECONDS = 3.0
# CancelUpdateStack and StopServiceDeployment answer so where there is nothing to stop any more.
_ENDED = frozenset(
    {
        "ValidationError",
        "ConflictException",
        "InvalidParameterException",
        "ServiceDeploymentNotFoundException",
    }
)


@dataclass(frozen=True, kw_only=True)
class Running:
    """A stack or a deployment of the service that AWS works on."""

    what: str
    status: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.what} ({self.status} since {self.since:%Y-%m-%d %H:%M:%S} UTC)"


def running(environment: Environment) -> list[Running]:
    """Return what AWS works on in an environment: stacks first, in the order of their deployment."""
    return [*_stacks(environment), *_service_deployments(environment)]


def deployed(environment: Environment) -> "Iterator[tuple[str, StackTypeDef]]":
    """Yield each stack of the environment that there is, with its region, in the order of deployment."""
    for layer, region in environment.settings.places.items():
        name = environment.settings.stack_name(layer)
        try:
            yield region, environment.cloudformation_in(region).describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise


def refuse_stuck(environment: Environment) -> None:
    """Refuse where a stack is in a state that no update leaves.

    Raises
    ------
    CliError
        When one is; names the command that helps.
    """
    for _, stack in deployed(environment):
        if stack["StackStatus"] in STUCK:
            layer = stack["StackName"].removeprefix(f"{environment.settings.full_name}-").capitalize()
            name = environment.settings.environment
            raise CliError(
                f"{stack['StackName']} is {stack['StackStatus']}: no deployment changes it.",
                remedy=f"`./gantry cdk rollback {layer} -c environment={name}` brings it back.",
            )


def _stacks(environment: Environment) -> Iterator[Running]:
    for _, stack in deployed(environment):
        status = stack["StackStatus"]
        # A change set in review is nothing that CloudFormation works on.
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            since = stack.get("LastUpdatedTime", stack["CreationTime"])
            yield Running(what=stack["StackName"], status=status, since=since)


def _names(environment: Environment) -> tuple[str, str] | None:
    """Return the cluster and the name of the service, or nothing where there is none."""
    try:
        outputs = environment.outputs("compute")
    except CliError:
        return None
    return (outputs["ClusterName"], outputs["ServiceName"]) if "ServiceName" in outputs else None


def service(environment: Environment) -> "ServiceTypeDef | None":
    """Return the service, or nothing where there is none."""
    if (names := _names(environment)) is None:
        return None
    found = environment.ecs.describe_services(cluster=names[0], services=[names[1]])["services"]
    return found[0] if found else None


def tasks(environment: Environment) -> "list[TaskTypeDef]":
    """Return the service's tasks."""
    if (names := _names(environment)) is None:
        return []
    arns = environment.ecs.list_tasks(cluster=names[0], serviceName=names[1])["taskArns"]
    return environment.ecs.describe_tasks(cluster=names[0], tasks=arns)["tasks"] if arns else []


def image_digest(environment: Environment) -> str:
    """Return the digest of the image that the service's newest task runs; empty where ECS gives none."""
    newest = max(tasks(environment), key=lambda task: task["createdAt"], default=None)
    containers = newest["containers"] if newest else []
    return next((each["imageDigest"] for each in containers if "imageDigest" in each), "")


def _deployment_arns(environment: Environment) -> Iterator[tuple[str, str, datetime]]:
    if names := _names(environment):
        answer = environment.ecs.list_service_deployments(
            cluster=names[0], service=names[1], status=list(_DEPLOYING)
        )
        for each in answer["serviceDeployments"]:
            yield each["serviceDeploymentArn"], each["status"], each["createdAt"]


def _service_deployments(environment: Environment) -> Iterator[Running]:
    for arn, status, since in _deployment_arns(environment):
        yield Running(what=f"the service's deployment {arn.rsplit('/', 1)[-1]}", status=status, since=since)


def stop(environment: Environment) -> None:
    """Stop what AWS works on: ECS and CloudFormation roll it back.

    ECS is asked first: a stack waits for its service, and an update that is cancelled would start one more
    deployment of the service before the one that runs has ended.
    """
    for arn, status, _ in _deployment_arns(environment):
        if status in {"PENDING", "IN_PROGRESS"}:
            _stop_unless_ended(
                partial(
                    environment.ecs.stop_service_deployment, serviceDeploymentArn=arn, stopType="ROLLBACK"
                )
            )
    for region, stack in deployed(environment):
        if stack["StackStatus"] == _CANCELLABLE:
            client, name = environment.cloudformation_in(region), stack["StackName"]
            _stop_unless_ended(partial(client.cancel_update_stack, StackName=name))


def _stop_unless_ended(stop: Callable[[], object]) -> None:
    """Stop what may have ended since it was looked at: AWS refuses that, and it is at rest then."""
    try:
        stop()
    except ClientError as error:
        if error.response["Error"]["Code"] not in _ENDED:
            # The rest is stopped all the same.
            err.print(f"Not stopped: {error}", markup=False)


def wait_until_at_rest(environment: Environment, *, stopping: bool = False) -> None:
    """Wait until AWS works on nothing in the environment.

    Parameters
    ----------
    environment
        The environment.
    stopping
        Whether what runs is stopped, also what is begun meanwhile.
    """
    while running(environment):
        if stopping:
            stop(environment)
        time.sleep(_LOOK_SECONDS)
