"""ECS: services and tasks are those of the task scheduler, which runs them as processes."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ministack.core.responses import error_response_json, json_response, request_scope
from ministack.services import alb, cloudwatch_logs, ecs, eventbridge
from ministack.services.cloudformation import provisioners

from sandbox.plugin.patching import wrap
from sandbox.plugin.resource_types import (
    Create,
    Delete,
    Properties,
    Provisioned,
    handlers,
    run_off_the_event_loop,
)
from sandbox.plugin.secretsmanager import Response
from sandbox.tasks import Aws, LogEvent, ServiceSpec, TaskError, TaskScheduler

Record = dict[str, Any]
Action = Callable[[dict[str, Any]], Response]

# AWS gives up on a service that does not stabilise after three hours.
_STABLE_SECONDS = 600.0
# ministack keeps log events in memory.
_EVENTS_IN_STREAM = 2000
# Keys below these are the user's, not the API's.
_MAPS = frozenset({"dockerLabels", "options"})


class Services:
    """The services and tasks of the scheduler in ministack's records."""

    def __init__(self, scheduler: TaskScheduler) -> None:
        self._scheduler = scheduler

    def create(self, service: Record) -> None:
        """Start a service; one of that name that an interrupted stack operation left behind ends before."""
        self._scheduler.delete_service(service["serviceArn"])
        self._scheduler.create_service(_specification(service))
        self.refresh()

    def update(self, service: Record, *, force: bool) -> None:
        """Change a service."""
        self._scheduler.update_service(_specification(service), force_new_deployment=force)
        self.refresh()

    def delete(self, service: Record, *, wait: bool = False) -> None:
        """Stop a service."""
        self._scheduler.delete_service(service["serviceArn"], wait=wait)
        self.refresh()

    def wait_until_stable(self, arn: str) -> None:
        """Wait until the service's deployment is completed.

        Raises
        ------
        ValueError
            If it failed, or is neither completed nor failed after a long time.
        """
        try:
            deployment = self._scheduler.wait_for_deployment(arn, timeout=_STABLE_SECONDS)
        except TimeoutError:
            raise ValueError(f"{arn} did not stabilize within {_STABLE_SECONDS:.0f} seconds") from None
        self.refresh()
        if deployment is not None and deployment["rolloutState"] == "FAILED":
            raise ValueError(
                "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered': "
                + deployment["rolloutStateReason"]
            )

    def run_task(self, request: dict[str, Any]) -> list[Record]:
        """Run tasks that belong to no service."""
        cluster = ecs._clusters[ecs._resolve_cluster_name(request.get("cluster", "default"))]
        definition = ecs._task_defs[ecs._resolve_td_key(request["taskDefinition"])]
        return [
            self._scheduler.run_task(
                cluster_arn=cluster["clusterArn"],
                task_definition=definition,
                overrides=request.get("overrides"),
                group=request.get("group", ""),
                started_by=request.get("startedBy", ""),
            )
            for _ in range(int(request.get("count", 1)))
        ]

    def stop_task(self, arn: str, reason: str) -> Record:
        """Stop a task."""
        return self._scheduler.stop_task(arn, reason)

    def refresh(self) -> None:
        """Bring ministack's records up to date."""
        for _, service in ecs._services.all_items():
            service.update(self._scheduler.describe_service(service["serviceArn"]) or {})
        tasks = {task["taskArn"]: task for task in self._scheduler.describe_tasks()}
        for account, region, arn in list(ecs._tasks.to_dict()):
            if arn not in tasks:
                ecs._tasks.pop_scoped(account, region, arn, None)
        for arn, task in tasks.items():
            account, region = _scope(arn)
            ecs._tasks.set_scoped(account, region, arn, task)
        for (account, region, name), _ in ecs._clusters.all_items():
            with request_scope(account, region):
                ecs._recount_cluster(name)


def aws() -> Aws:
    """Return what tasks get from the emulated AWS."""
    return Aws(secret_value=_secret_value, put_event=_put_event, put_log_events=_put_log_events)


def install(scheduler: TaskScheduler) -> None:
    """Have the scheduler run what ministack records."""
    services = Services(scheduler)
    _keep_whole_definitions()
    _serve_actions(services)
    _provision_services(services)


def _scope(arn: str) -> tuple[str, str]:
    _, _, _, region, account, *_ = arn.split(":")
    return account, region


def _specification(service: Record) -> ServiceSpec:
    definition = ecs._task_defs[ecs._resolve_td_key(service["taskDefinition"])]
    balancers = service.get("loadBalancers") or [{}]
    group = balancers[0].get("targetGroupArn", "")
    return ServiceSpec.from_api(
        service=service,
        task_definition=definition,
        target_group=alb._tgs.get(group),
        target_group_attributes=alb._tg_attrs.get(group, ()),
    )


def _secret_value(source: str) -> str:
    account, region = _scope(source)
    with request_scope(account, region):
        values: Mapping[str, str] = ecs._resolve_container_secrets(
            {"secrets": [{"name": "value", "valueFrom": source}]}
        )
    return values["value"]


def _put_event(event: dict[str, Any]) -> None:
    with request_scope(event["account"], event["region"]):
        eventbridge._dispatch_event(
            {
                "EventId": event["id"],
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(event["detail"]),
                "EventBusName": "default",
                "Time": event["time"],
                "Resources": event["resources"],
                "Account": event["account"],
                "Region": event["region"],
            }
        )


def _put_log_events(group: str, stream: str, events: Sequence[LogEvent]) -> None:
    config = {"group": group, "stream": stream, "create_group": True}
    ecs._ensure_awslogs_stream(config)
    cloudwatch_logs._put_log_events(
        {
            "logGroupName": group,
            "logStreamName": stream,
            "logEvents": [{"timestamp": each.timestamp, "message": each.message} for each in events],
        }
    )
    del cloudwatch_logs._log_groups[group]["streams"][stream]["events"][:-_EVENTS_IN_STREAM]


def _keep_whole_definitions() -> None:
    # ministack renames the keys of some nested structures only, and drops the platform.
    @wrap(provisioners, "_normalize_container_defs")
    def normalize(original: Callable[..., Any], cdefs: list[Properties]) -> list[Record]:
        del original
        return [_camel_case(each) for each in cdefs]

    @wrap(handlers("AWS::ECS::TaskDefinition"), "create")
    def create(original: Create, logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        arn, attributes = original(logical_id, props, stack_name)
        definition = ecs._task_defs[ecs._resolve_td_key(arn)]
        definition["volumes"] = _camel_case(props.get("Volumes", []))
        definition["runtimePlatform"] = _camel_case(props.get("RuntimePlatform", {}))
        return arn, attributes

    # Second fractions tell which of two tasks started before a secret changed.
    @wrap(ecs, "_ts_to_epoch")
    def ts_to_epoch(original: Callable[[object], object], value: object) -> object:
        try:
            return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else value
        except ValueError:
            return original(value)


def _camel_case(value: Any) -> Any:  # noqa: ANN401 - any JSON value, and the same kind comes back
    if isinstance(value, list):
        return [_camel_case(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {key[:1].lower() + key[1:]: each for key, each in value.items()}
    return {key: each if key in _MAPS else _camel_case(each) for key, each in named.items()}


def _serve_actions(services: Services) -> None:
    @wrap(ecs, "_reconcile_service_tasks")
    def reconcile(original: Callable[[str, str], None], cluster_name: str, svc_key: str) -> None:
        del original, cluster_name, svc_key  # the scheduler runs the tasks

    @wrap(ecs, "_dispatch_action")
    def dispatch(original: Callable[..., Response], action: str, data: dict[str, Any]) -> Response:
        services.refresh()
        try:
            return original(action, data)
        except TaskError as error:
            return error_response_json("ClientException", str(error))  # type: ignore[no-any-return]

    for name, action in _actions(services).items():
        wrap(ecs._ACTION_MAP, name)(action)


def _actions(services: Services) -> dict[str, Callable[[Action, dict[str, Any]], Response]]:
    def create_service(original: Action, data: dict[str, Any]) -> Response:
        response = original(data)
        if response[0] < 400:
            service = _service(response)
            try:
                services.create(service)
            except TaskError:
                ecs._services.pop(_key(service), None)
                raise
            return json_response({"service": ecs._sanitize(service)})  # type: ignore[no-any-return]
        return response

    def update_service(original: Action, data: dict[str, Any]) -> Response:
        response = original(data)
        if response[0] < 400:
            service = _service(response)
            services.update(service, force=bool(data.get("forceNewDeployment")))
            return json_response({"service": ecs._sanitize(service)})  # type: ignore[no-any-return]
        return response

    def delete_service(original: Action, data: dict[str, Any]) -> Response:
        response = original(data)
        if response[0] < 400:
            services.delete(_service(response))
        return response

    def run_task(original: Action, data: dict[str, Any]) -> Response:
        cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
        definition = ecs._resolve_td_key(data.get("taskDefinition", ""))
        if cluster not in ecs._clusters or definition not in ecs._task_defs:
            return original(data)
        return json_response({"tasks": services.run_task(data), "failures": []})  # type: ignore[no-any-return]

    def stop_task(original: Action, data: dict[str, Any]) -> Response:
        task = ecs._resolve_task(
            data.get("task", ""), ecs._resolve_cluster_name(data.get("cluster", "default"))
        )
        if task is None:
            return original(data)
        stopped = services.stop_task(task["taskArn"], data.get("reason", "Task stopped by user"))
        return json_response({"task": stopped})  # type: ignore[no-any-return]

    return {
        "CreateService": create_service,
        "UpdateService": update_service,
        "DeleteService": delete_service,
        "RunTask": run_task,
        "StopTask": stop_task,
    }


def _service(response: Response) -> Record:
    """Return ministack's record of the service in a response."""
    record: Record = ecs._services[_key(json.loads(response[2])["service"])]
    return record


def _key(service: Record) -> str:
    return str(service["serviceArn"].partition(":service/")[2])


def _provision_services(services: Services) -> None:
    resource_type = "AWS::ECS::Service"
    entry = handlers(resource_type)
    actions = _actions(services)
    # CloudFormation's handlers call these functions and not the actions.
    for name, function in (
        ("CreateService", "_create_service"),
        ("UpdateService", "_update_service"),
        ("DeleteService", "_delete_service"),
    ):
        wrap(ecs, function)(actions[name])

    def delete_service(service: Record) -> None:
        cluster = _key(service).partition("/")[0]
        ecs._delete_service({"cluster": cluster, "service": service["serviceArn"], "force": True})
        services.delete(service, wait=True)

    # ministack's handler leaves out some properties, such as the grace period.
    @wrap(entry, "create")
    def create(original: Create, logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        del original
        status, _, body = ecs._create_service(
            {"serviceName": f"{stack_name}-{logical_id}"} | _camel_case(props)
        )
        if status >= 400:
            raise ValueError(f"{resource_type}: {json.loads(body)['message']}")
        service = json.loads(body)["service"]
        try:
            services.wait_until_stable(service["serviceArn"])
        except ValueError:
            delete_service(service)
            raise
        return service["serviceArn"], {"ServiceArn": service["serviceArn"], "Name": service["serviceName"]}

    @wrap(entry, "update")
    def update(
        original: Callable[..., Provisioned], physical_id: str, old_props: Properties, new_props: Properties,
        stack_name: str,
    ) -> Provisioned:  # fmt: skip
        provisioned = original(physical_id, old_props, new_props, stack_name)
        try:
            services.wait_until_stable(physical_id)
        except ValueError:
            # CloudFormation sends back what failed to update, too.
            original(physical_id, new_props, old_props, stack_name)
            services.wait_until_stable(physical_id)
            raise
        return provisioned

    @wrap(entry, "delete")
    def delete(original: Delete, physical_id: str, props: Properties) -> None:
        del original, props
        delete_service({"serviceArn": physical_id})

    run_off_the_event_loop(resource_type)
