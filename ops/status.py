"""`./gantry status`: an environment at a glance."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from rich.table import Table
from rich.text import Text

from contract.environments import SANDBOX
from contract.service import HEALTH_PATH
from ops import task_health
from ops.aws import Environment, connect
from ops.console import CliError, err, out

if TYPE_CHECKING:
    from sandbox.problems import Problem

_NOT_DEPLOYED = "NOT_DEPLOYED"


@dataclass(frozen=True)
class StackStatus:
    """A layer's stack; the status is CloudFormation's, or ``NOT_DEPLOYED``."""

    layer: str
    stack: str
    status: str


@dataclass(frozen=True)
class TaskStatus:
    """A task of the service."""

    task: str
    status: str
    health: str
    revision: str
    started_at: str


def show(environment: str, *, as_json: bool) -> None:
    """Print stacks, service and tasks of an environment.

    Raises
    ------
    CliError
        When the environment cannot be reached.
    """
    connected = connect(environment)
    stacks = [_stack(connected, layer, region) for layer, region in connected.settings.places.items()]
    try:
        outputs = connected.outputs("compute")
    except CliError:
        outputs = {}
    service = _service(connected, outputs) if outputs else {}
    tasks = _tasks(connected, outputs) if outputs else []
    problems: Sequence[Problem] = ()
    if environment == SANDBOX:
        from ops import in_sandbox

        problems = in_sandbox.problems()
    if as_json:
        document = {
            "stacks": [asdict(s) for s in stacks],
            "service": service,
            "tasks": [asdict(t) for t in tasks],
            "problems": [asdict(p) for p in problems],
        }
        out.print_json(json.dumps(document))
        return
    _print(stacks, service, tasks)
    for problem in problems:
        err.print(Text("✗ ", style="bold red").append(str(problem)).append(f" ({problem.log})", style="dim"))


def _stack(environment: Environment, layer: str, region: str) -> StackStatus:
    name = environment.settings.stack_name(layer)
    client = environment.cloudformation_in(region)
    try:
        found: str = client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        found = _NOT_DEPLOYED
    return StackStatus(layer, name, found)


def _service(environment: Environment, outputs: dict[str, str]) -> dict[str, str | int]:
    answer = environment.ecs.describe_services(
        cluster=outputs["ClusterName"], services=[outputs["ServiceName"]]
    )
    service = answer["services"][0]
    primary = next(deployment for deployment in service["deployments"] if deployment["status"] == "PRIMARY")
    return {
        "url": outputs["ServiceUrl"],
        "health": _health(
            outputs["ServiceUrl"],
            on_this_machine=environment.endpoint_url is not None,
            named=environment.settings.domain.resolves_here,
        ),
        "dependencies": task_health.dependencies(environment, outputs),
        "desired": service["desiredCount"],
        "running": service["runningCount"],
        "deployment": primary.get("rolloutState", primary["status"]),
        "taskDefinition": service["taskDefinition"].rsplit("/", 1)[-1],
    }


def _health(url: str, *, on_this_machine: bool, named: bool) -> str:
    # A proxy connects to the internet, which has no route back to this machine.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})] if on_this_machine else []
    context = ssl.create_default_context()
    # Without a name of its own the service is reached by AWS's, for which no certificate can be.
    context.check_hostname = named
    handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(f"{url}{HEALTH_PATH}", timeout=5) as response:
            return f"HTTP {response.status}"
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except (OSError, http.client.HTTPException) as error:
        return f"unreachable: {error}"


def _tasks(environment: Environment, outputs: dict[str, str]) -> list[TaskStatus]:
    cluster = outputs["ClusterName"]
    arns = environment.ecs.list_tasks(cluster=cluster, serviceName=outputs["ServiceName"])["taskArns"]
    if not arns:
        return []
    tasks = environment.ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
    return [
        TaskStatus(
            task=task["taskArn"].rsplit("/", 1)[-1],
            status=task["lastStatus"],
            health=task.get("healthStatus", "UNKNOWN"),
            revision=task["taskDefinitionArn"].rsplit("/", 1)[-1],
            started_at=task["startedAt"].isoformat(timespec="seconds") if "startedAt" in task else "",
        )
        for task in tasks
    ]


def _print(stacks: list[StackStatus], service: dict[str, str | int], tasks: list[TaskStatus]) -> None:
    table = Table("Layer", "Stack", "Status")
    for stack in stacks:
        good = stack.status.endswith("_COMPLETE") and "ROLLBACK" not in stack.status
        colour = "dim" if stack.status == _NOT_DEPLOYED else "green" if good else "red"
        table.add_row(stack.layer, stack.stack, f"[{colour}]{stack.status}[/]")
    out.print(table)
    if not service:
        err.print("The service is not deployed yet.")
        return
    out.print(
        f"Service     {service['url']}  {service['health']}\n"
        f"Needs       database and cache: {service['dependencies']}\n"
        f"Deployment  {service['deployment']}, {service['taskDefinition']}, "
        f"{service['running']} of {service['desired']} tasks run",
        markup=False,
    )
    task_table = Table("Task", "Status", "Health", "Task definition", "Started")
    for task in tasks:
        started = task.started_at[:16].replace("T", " ")
        task_table.add_row(task.task[:12], task.status, task.health, task.revision, started)
    out.print(task_table)
