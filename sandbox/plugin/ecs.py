"""ECS: services and tasks are those of the task scheduler, which runs them as processes."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import alb, ecs

from sandbox.plugin.ecs_tasks import scope
from sandbox.plugin.patching import wrap
from sandbox.plugin.responses import Action, Response, answer, error, failed
from sandbox.tasks import ServiceSpec, TaskError, TaskScheduler

Record = dict[str, Any]

# As AWS gives up on a service that does not stabilise.
_STABLE_SECONDS = 3 * 3600.0


class Services:
    """The services and tasks of the scheduler in ministack's records."""

    def __init__(self, scheduler: TaskScheduler) -> None:
        self._scheduler = scheduler
        # By service, the deployment of the latest request: one that failed fast is not primary any more.
        self._deployments: dict[str, str] = {}

    def create(self, service: Record) -> None:
        """Start a service; one of that name that an interrupted stack operation left behind ends before."""
        self._scheduler.delete_service(service["serviceArn"])
        self._deployments[service["serviceArn"]] = self._scheduler.create_service(_specification(service))
        self.refresh()

    def update(self, service: Record, *, force: bool) -> None:
        """Change a service."""
        arn, specification = service["serviceArn"], _specification(service)
        self._deployments[arn] = self._scheduler.update_service(specification, force_new_deployment=force)
        self.refresh()

    def delete(self, arn: str, *, wait: bool = False) -> None:
        """Stop a service."""
        self._scheduler.delete_service(arn, wait=wait)
        self.refresh()

    def wait_until_stable(self, arn: str) -> None:
        """Wait until the service's deployment is completed.

        Raises
        ------
        ValueError
            If it failed, or is neither completed nor failed after a long time.
        """
        begun = self._deployments.get(arn)
        try:
            deployment = self._scheduler.wait_for_deployment(arn, begun, timeout=_STABLE_SECONDS)
            if deployment is None:  # another one, such as a rotation's, took its place
                deployment = self._scheduler.wait_for_deployment(arn, timeout=_STABLE_SECONDS)
        except TimeoutError:
            raise ValueError(f"{arn} did not stabilize within {_STABLE_SECONDS:.0f} seconds") from None
        self.refresh()
        if deployment is not None and deployment["rolloutState"] == "FAILED":
            raise ValueError(
                "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered': "
                + deployment["rolloutStateReason"]
            )

    def stop_deployment(self, arn: str) -> None:
        """Roll a service back to the deployment before the one that is in progress."""
        self._scheduler.stop_deployment(arn)
        self.refresh()

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
            account, region = scope(arn)
            ecs._tasks.set_scoped(account, region, arn, task)
        for (account, region, name), _ in ecs._clusters.all_items():
            with request_scope(account, region):
                ecs._recount_cluster(name)


def install(services: Services) -> None:
    """Have the scheduler run what ministack records."""

    @wrap(ecs, "_reconcile_service_tasks")
    def reconcile(original: Callable[[str, str], None], cluster_name: str, svc_key: str) -> None:
        del original, cluster_name, svc_key  # the scheduler runs the tasks

    @wrap(ecs, "_dispatch_action")
    def dispatch(original: Callable[..., Response], action: str, data: dict[str, Any]) -> Response:
        services.refresh()
        try:
            return original(action, data)
        except TaskError as reason:
            return error("ClientException", str(reason))

    # Fractions of seconds show which of two tasks started before a secret changed; ministack cuts them off.
    # The examples in https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
    @wrap(ecs, "_ts_to_epoch")
    def ts_to_epoch(original: Callable[[object], object], value: object) -> object:
        try:
            return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else value
        except ValueError:
            return original(value)

    _serve_services(services)
    _serve_tasks(services)


def _specification(service: Record) -> ServiceSpec:
    definition = ecs._task_defs[ecs._resolve_td_key(service["taskDefinition"])]
    balancers = service.get("loadBalancers") or [{}]
    group = balancers[0].get("targetGroupArn", "")
    alternate = (balancers[0].get("advancedConfiguration") or {}).get("alternateTargetGroupArn", "")
    return ServiceSpec.from_api(
        service=service,
        task_definition=definition,
        target_group=alb._tgs.get(group),
        target_group_attributes=alb._tg_attrs.get(group, ()),
        alternate=alb._tgs.get(alternate),
        alternate_attributes=alb._tg_attrs.get(alternate, ()),
    )


def _serve_services(services: Services) -> None:
    def create_service(original: Action, data: dict[str, Any]) -> Response:
        response = original(data)
        if failed(response):
            return response
        service = _record(response)
        try:
            services.create(service)
        except TaskError:
            ecs._services.pop(_key(service), None)
            raise
        return answer({"service": ecs._sanitize(service)})

    def update_service(original: Action, data: dict[str, Any]) -> Response:
        response = original(data)
        if failed(response):
            return response
        service = _record(response)
        services.update(service, force=bool(data.get("forceNewDeployment")))
        return answer({"service": ecs._sanitize(service)})

    def delete_service(original: Action, data: dict[str, Any]) -> Response:
        response = original(data)
        if not failed(response):
            services.delete(_record(response)["serviceArn"])
        return response

    replace("CreateService", "_create_service", create_service)
    replace("UpdateService", "_update_service", update_service)
    replace("DeleteService", "_delete_service", delete_service)


def _serve_tasks(services: Services) -> None:
    def run_task(original: Action, data: dict[str, Any]) -> Response:
        cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
        definition = ecs._resolve_td_key(data.get("taskDefinition", ""))
        if cluster not in ecs._clusters or definition not in ecs._task_defs:
            return original(data)
        return answer({"tasks": services.run_task(data), "failures": []})

    def stop_task(original: Action, data: dict[str, Any]) -> Response:
        cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
        task = ecs._resolve_task(data.get("task", ""), cluster)
        if task is None:
            return original(data)
        reason = data.get("reason", "Task stopped by user")
        return answer({"task": services.stop_task(task["taskArn"], reason)})

    replace("RunTask", "_run_task", run_task)
    replace("StopTask", "_stop_task", stop_task)


def replace(action: str, function: str, replacement: Callable[[Action, dict[str, Any]], Response]) -> None:
    """Have an action of ECS served by something else than ministack's function for it."""
    wrap(ecs, function)(replacement)
    ecs._ACTION_MAP[action] = getattr(ecs, function)


def _record(response: Response) -> Record:
    """Return ministack's record of the service in a response."""
    record: Record = ecs._services[_key(json.loads(response[2])["service"])]
    return record


def _key(service: Record) -> str:
    return str(service["serviceArn"].partition(":service/")[2])
