"""Charges of compute: Fargate tasks, functions, images, state machines."""

import re
from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal

from ops.assembly import Resource
from ops.cost.usage import Charge, Context, Unknown, Usage, number, within
from ops.cost.workload import DAYS_A_MONTH, HOURS_A_MONTH

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_RUNS_A_MONTH = {"minute": HOURS_A_MONTH * 60, "hour": HOURS_A_MONTH, "day": DAYS_A_MONTH}


def _service(service: Resource, context: Context) -> Iterator[Usage | Unknown]:
    definitions = context.referents(service, "AWS::ECS::TaskDefinition")
    if not definitions:
        yield Unknown("tasks", "the service names no task definition of these templates")
        return
    vcpu = number(definitions[0].get("Cpu")) / 1024
    memory = number(definitions[0].get("Memory")) / 1024
    arm = definitions[0].get("RuntimePlatform", "CpuArchitecture") == "ARM64"
    chip = "arm" if arm else "x86"
    tasks, shown = _tasks(service, vcpu, context)
    yield Usage(f"{shown}, vCPU", f"fargate-{chip}-vcpu-hour", tasks * vcpu * HOURS_A_MONTH)
    yield Usage(f"{shown}, memory", f"fargate-{chip}-gb-hour", tasks * memory * HOURS_A_MONTH)
    yield from _transfer_to_database(service, context)


def _tasks(service: Resource, vcpu: Decimal, context: Context) -> tuple[Decimal, str]:
    """Return how many tasks auto scaling keeps for the load, as a number and in words."""
    low = high = number(service.get("DesiredCount"), "1")
    for target in context.referrers(service, "AWS::ApplicationAutoScaling::ScalableTarget"):
        low, high = number(target.get("MinCapacity")), number(target.get("MaxCapacity"))
    load = context.workload.requests_a_second / context.assumptions.requests_a_vcpu
    needed = (load / vcpu).to_integral_value(ROUND_CEILING) if vcpu else low
    tasks = within(needed, low, high)
    return tasks, f"{tasks:.0f} tasks" + (f", though {needed:.0f} are needed" if needed > high else "")


def _transfer_to_database(service: Resource, context: Context) -> Iterator[Usage]:
    """Charge, in both directions, the share of the traffic to a writer in another zone."""
    zones = len(service.get("NetworkConfiguration", "AwsvpcConfiguration", "Subnets", default=()))
    if zones > 1 and context.of_type("AWS::RDS::DBCluster"):
        crossing = context.workload.gigabytes(context.assumptions.database_kb) * (zones - 1) / zones
        yield Usage("traffic to the database in other zones", "transfer-between-zones", crossing * 2)


def _function(function: Resource, context: Context) -> Iterator[Usage | Unknown]:
    runs = _runs(function, context)
    arm = "arm64" in function.get("Architectures", default=())
    memory = number(function.get("MemorySize"), "128") / 1024
    seconds = runs * context.assumptions.function_seconds * memory
    yield Usage(f"{runs:.0f} runs, time", f"lambda-{'arm' if arm else 'x86'}-gb-second", seconds)
    yield Usage(f"{runs:.0f} runs, requests", "lambda-million-requests", runs / 1_000_000)


def _runs(function: Resource, context: Context) -> Decimal:
    """Return how often a function runs in a month: as its schedules say, else as assumed."""
    schedules = [
        runs_a_month(str(each.get("ScheduleExpression", default="")))
        for kind in ("AWS::Events::Rule", "AWS::Scheduler::Schedule")
        for each in context.referrers(function, kind)
    ]
    scheduled = sum((runs for runs in schedules if runs is not None), start=Decimal(0))
    return scheduled or context.assumptions.function_runs


def runs_a_month(expression: str) -> Decimal | None:
    """Return how often a rate expression fires in a month, or nothing for another expression."""
    found = _RATE.fullmatch(expression)
    return None if found is None else _RUNS_A_MONTH[found[2]] / Decimal(found[1])


def _repository(_: Resource, context: Context) -> Iterator[Usage | Unknown]:
    yield Usage("images", "image-storage-gb", context.assumptions.images_gb)


def _state_machine(machine: Resource, context: Context) -> Iterator[Usage | Unknown]:
    if machine.get("StateMachineType", default="STANDARD") != "STANDARD":
        yield Unknown("express workflow", "only standard workflows are priced")
        return
    yield Usage("transitions", "state-transitions-thousand", context.assumptions.workflow_transitions / 1000)


def _cluster(cluster: Resource, _: Context) -> Iterator[Usage | Unknown]:
    for setting in cluster.get("ClusterSettings", default=()):
        if setting.get("Name") == "containerInsights" and setting.get("Value") != "disabled":
            yield Unknown(
                f"Container Insights ({setting['Value']})",
                "charged for each metric; their number follows the tasks",
            )


CHARGES: dict[str, Charge] = {
    "AWS::ECR::Repository": _repository,
    "AWS::ECS::Cluster": _cluster,
    "AWS::ECS::Service": _service,
    "AWS::Lambda::Function": _function,
    "AWS::StepFunctions::StateMachine": _state_machine,
}
