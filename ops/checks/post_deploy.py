"""After a deployment: does it serve, is it protected, is everything as it was."""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from contract.service import HEALTH_PATH
from contract.stack_policy import POLICY
from ops import healthz, task_health
from ops.checks.context import Context
from ops.checks.results import Check, Line, Result, failed, ok, unknown
from ops.checks.signals import golden_signals
from ops.checks.subscriptions import SUBSCRIPTIONS

_ALARMS = "docs/troubleshooting.md has a section for each alarm."
_MINUTES = timedelta(minutes=10)


def _protection(context: Context) -> Iterator[Result]:
    settings = context.settings
    if not settings.keeps_data:
        yield ok("protection", 'Nothing is to be protected: state.retention = "destroy".')
        return
    names = {settings.stack_name(layer): region for layer, region in settings.places.items()}
    open_to_deletion, without_policy = [], []
    for name, region in names.items():
        client = context.client("cloudformation", region)
        if not client.describe_stacks(StackName=name)["Stacks"][0].get("EnableTerminationProtection"):
            open_to_deletion.append(name)
        if json.loads(client.get_stack_policy(StackName=name).get("StackPolicyBody") or "{}") != POLICY:
            without_policy.append(name)
    again = f"Deploy again: `./gantry cdk deploy --all -c environment={settings.environment}`."
    yield _protected("stacks' deletion", len(names), open_to_deletion, "termination protection", again)
    yield _protected("stacks' updates", len(names), without_policy, "stack policy of Gantry", again)
    yield from _protected_data(context, again)


def _protected(name: str, count: int, without: Sequence[str], what: str, remedy: str) -> Result:
    if without:
        return failed(name, f"{', '.join(without)} have no {what}.", remedy)
    return ok(name, f"All {count} stacks have {what}.")


def _protected_data(context: Context, remedy: str) -> Iterator[Result]:
    cluster = _cluster(context)
    table = context.outputs("state")["LedgerTableName"]
    ledger = context.client("dynamodb").describe_table(TableName=table)["Table"]
    found = {
        f"the database {cluster['DBClusterIdentifier']}": cluster.get("DeletionProtection", False),
        f"the table {table}": ledger.get("DeletionProtectionEnabled", False),
    }
    without = [what for what, on in found.items() if not on]
    if without:
        yield failed("data's deletion", f"No deletion protection: {', '.join(without)}.", remedy)
    else:
        yield ok("data's deletion", f"{' and '.join(found)} have deletion protection.")


def _cluster(context: Context) -> dict[str, Any]:
    name = context.outputs("data")["ClusterIdentifier"]
    found: dict[str, Any] = context.client("rds").describe_db_clusters(DBClusterIdentifier=name)[
        "DBClusters"
    ][0]
    return found


def _healthz(context: Context) -> Iterator[Result]:
    url = context.outputs("compute")["ServiceUrl"]
    said = healthz.answer(url, named=context.settings.domain.resolves_here)
    evidence = f"{url}{HEALTH_PATH}: {said}."
    if said == healthz.OK:
        yield ok(HEALTH_PATH, evidence)
    else:
        remedy = "docs/troubleshooting.md, `no-healthy-targets`; `./gantry logs` says what the tasks say."
        yield failed(HEALTH_PATH, evidence, remedy)


def _service(context: Context) -> dict[str, Any]:
    outputs = context.outputs("compute")
    found: dict[str, Any] = context.client("ecs").describe_services(
        cluster=outputs["ClusterName"], services=[outputs["ServiceName"]]
    )["services"][0]
    return found


def _tasks(context: Context) -> Iterator[Result]:
    service = _service(context)
    primary = next(each for each in service["deployments"] if each["status"] == "PRIMARY")
    state = primary.get("rolloutState", "COMPLETED")
    counts = f"{service['runningCount']} of {service['desiredCount']} tasks run"
    evidence = f"{counts}; the last deployment is {state}."
    if service["runningCount"] == service["desiredCount"] > 0 and state == "COMPLETED":
        yield ok("tasks", evidence)
    else:
        last = next((each["message"] for each in service.get("events", ())), "it has none")
        yield failed("tasks", f"{evidence} The service's last event: {last}", "`./gantry logs --since 1h`")


def _targets(context: Context) -> Iterator[Result]:
    groups = [
        group
        for each in _service(context).get("loadBalancers", ())
        for group in (
            each.get("targetGroupArn"),
            each.get("advancedConfiguration", {}).get("alternateTargetGroupArn"),
        )
        if group
    ]
    client = context.client("elbv2")
    states = [
        target["TargetHealth"]["State"]
        for group in groups
        for target in client.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    ]
    serving = [state for state in states if state != "draining"]
    healthy = serving.count("healthy")
    evidence = f"{healthy} of {len(serving)} targets of the load balancer are healthy."
    if serving and healthy == len(serving):
        yield ok("targets", evidence)
    else:
        yield failed("targets", evidence, "docs/troubleshooting.md, `unhealthy-targets`")


def _database(context: Context) -> Iterator[Result]:
    cluster = _cluster(context)
    name = cluster["DBClusterIdentifier"]
    instances = context.client("rds").describe_db_instances(
        Filters=[{"Name": "db-cluster-id", "Values": [name]}]
    )["DBInstances"]
    states = {f"cluster {name}": cluster["Status"]} | {
        each["DBInstanceIdentifier"]: each["DBInstanceStatus"] for each in instances
    }
    away = [f"{what} is {state}" for what, state in states.items() if state != "available"]
    writers = [each for each in cluster.get("DBClusterMembers", ()) if each["IsClusterWriter"]]
    if away or not writers:
        reasons = "; ".join([*away, *([] if writers else ["no instance is the writer"])])
        yield failed("database", f"{reasons}.", "docs/troubleshooting.md, `The database`")
    else:
        version = f"{cluster['Engine']} {cluster['EngineVersion']}"
        yield ok("database", f"{name} is available: {version}, {len(instances)} instances.")


def _connections(context: Context) -> Iterator[Result]:
    """Yield what a task says of its database, or else what CloudWatch counts of its connections."""
    said = task_health.asked(context.environment, context.outputs("compute"))
    if said == task_health.WELL:
        yield ok("connections", "A task reaches database and cache.")
        return
    if not said.startswith("unreachable"):
        yield failed("connections", f"A task says: {said}.", "docs/troubleshooting.md, `The database`")
        return
    open_now = _open_connections(context)
    if open_now is None:
        yield unknown("connections", f"No task can be asked from here ({said}), and CloudWatch has no count.")
    elif open_now or not context.settings.ecs.database_pool_min:
        yield ok("connections", f"CloudWatch counts {open_now:.0f} open connections to the database.")
    else:
        yield failed("connections", "CloudWatch counts no connection to the database.", "`./gantry logs`")


def _open_connections(context: Context) -> float | None:
    minutes = context.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/RDS",
        MetricName="DatabaseConnections",
        Dimensions=[{"Name": "DBClusterIdentifier", "Value": context.outputs("data")["ClusterIdentifier"]}],
        StartTime=context.now - _MINUTES,
        EndTime=context.now,
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    newest = max(minutes, key=lambda each: each["Timestamp"], default=None)
    return None if newest is None else float(newest["Maximum"])


def _alarms(context: Context) -> Iterator[Result]:
    pages = (
        context.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(
            AlarmNamePrefix=f"{context.settings.full_name}-",
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        )
    )
    states = {
        each["AlarmName"]: each["StateValue"]
        for page in pages
        for each in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ()))
    }
    in_alarm = sorted(name for name, state in states.items() if state == "ALARM")
    if in_alarm:
        yield failed("alarms", f"In ALARM: {', '.join(in_alarm)}.", _ALARMS)
    elif "OK" in states.values():
        yield ok("alarms", f"None of {len(states)} alarms is in ALARM.")
    else:
        yield unknown("alarms", f"None of {len(states)} alarms has enough data to be OK or in ALARM.")


POST_DEPLOY: Sequence[Line[Context]] = (
    Line(f"{HEALTH_PATH} returns 200", [Check(HEALTH_PATH, _healthz)]),
    Line("ECS service shows desired task count", [Check("tasks", _tasks), Check("targets", _targets)]),
    Line(
        "Database connections are healthy",
        [Check("database", _database), Check("connections", _connections)],
    ),
    Line(
        "CloudWatch dashboard shows normal metrics",
        [Check("golden signals", golden_signals), Check("alarms", _alarms)],
    ),
    Line("Protection is on", [Check("protection", _protection)]),
    Line("Someone is notified", [SUBSCRIPTIONS]),
)
