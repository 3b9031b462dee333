"""The scheduler as the emulated ECS sees it: called from any thread, it works in one of its own."""

import asyncio
import functools
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.files import write_atomically
from sandbox.layout import Layout
from sandbox.load_balancer.control import LoadBalancerControl
from sandbox.tasks.definition import Document, TaskDefinition, TaskError
from sandbox.tasks.event_loop import EventLoopThread
from sandbox.tasks.host import Aws, Dispatcher, Host, PortPool, kill_leftover_tasks
from sandbox.tasks.record import StopCode, TaskRecord
from sandbox.tasks.service import Service
from sandbox.tasks.specification import ServiceSpec
from sandbox.tasks.task import Task
from sandbox.tasks.task_set import TaskSet, stop_all
from sandbox.tasks.timings import DEFAULT_TIMINGS, Timings

_logger = logging.getLogger(__name__)


class TaskScheduler:
    """Runs the services and tasks of an emulated ECS as processes.

    Services are remembered in the state directory: a scheduler that starts there runs them again, with new
    tasks. The tasks end with the process of the scheduler, whatever ends that.

    Parameters
    ----------
    layout
        The files of the sandbox.
    folder
        The folder whose Dockerfile is used for every image.
    variables
        What every task gets in its environment, whatever its definition says.
    aws
        The emulated AWS.
    load_balancer
        The load balancer.
    timings
        How fast things happen.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        folder: Path,
        variables: Mapping[str, str],
        aws: Aws,
        load_balancer: LoadBalancerControl,
        timings: Timings = DEFAULT_TIMINGS,
    ) -> None:
        self._file = layout.root / "services.json"
        self._dispatcher = Dispatcher(aws)
        self._host = Host(
            folder=folder,
            variables=variables,
            run_dir=layout.run / "tasks",
            log_dir=layout.task_logs,
            home=layout.home,
            aws=self._dispatcher.aws,
            load_balancer=load_balancer,
            timings=timings,
            ports=PortPool(),
        )
        # Tasks are bound to this thread's life: it ends when all of them have.
        self._thread = EventLoopThread("tasks")
        self._services: dict[str, Service] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        # Tasks that belong to no service, or to none that is left.
        self._single = TaskSet()

    def start(self) -> None:
        """End what a crash left behind, and run the remembered services."""
        kill_leftover_tasks(self._host.run_dir)
        for folder in (self._host.run_dir, self._host.home):
            folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        documents = json.loads(self._file.read_text()) if self._file.exists() else []
        for document in documents:
            spec = ServiceSpec.from_api(**document["source"])
            for group in filter(None, (spec.target_group, spec.alternate)):
                self._host.load_balancer.remove_target_group(group.arn)
            self._thread.call(functools.partial(self._keep, spec, document))

    def stop(self) -> None:
        """Stop all tasks, remembering the services."""
        self._thread.wait(self._shut_down())
        self._thread.stop()
        self._dispatcher.close()

    def create_service(self, spec: ServiceSpec) -> str:
        """Start a service; return the id of its deployment.

        Raises
        ------
        TaskError
            If there is such a service, or its task definition has not got the container of its target group.
        """
        _ = spec.container
        if spec.arn in self._services:
            raise TaskError(f"the service {spec.name} exists already")
        return self._thread.call(lambda: self._keep(spec).primary.id)

    def update_service(self, spec: ServiceSpec, *, force_new_deployment: bool = False) -> str:
        """Change a service; return the id of the deployment that brings the change about.

        Raises
        ------
        TaskError
            If there is no such service, or its task definition has not got the container of its target group.
        """
        _ = spec.container
        service = self._service(spec.arn)
        return self._thread.call(lambda: service.update(spec, force_new_deployment=force_new_deployment).id)

    def delete_service(self, service_arn: str, *, wait: bool = True) -> None:
        """Stop a service and its tasks; no effect when there is none.

        Parameters
        ----------
        service_arn
            The service.
        wait
            Whether to return only when its last task has stopped.
        """
        service, keeper = self._services.get(service_arn), self._keepers.get(service_arn)
        if service is None or keeper is None:
            return
        self._thread.call(service.delete)
        if wait:
            self._thread.wait(_finished(keeper))

    def stop_deployment(self, service_arn: str) -> None:
        """Roll a service back whose deployment is in progress.

        Raises
        ------
        TaskError
            If there is no such service, or nothing to stop or to go back to.
        """
        service = self._service(service_arn)
        self._thread.call(service.stop_deployment)

    def wait_for_deployment(
        self, service_arn: str, deployment_id: str | None = None, *, timeout: float
    ) -> dict[str, Any] | None:
        """Wait until a deployment of a service, the primary one by default, is completed or has failed.

        Parameters
        ----------
        service_arn, deployment_id
            The deployment.
        timeout
            In seconds.

        Returns
        -------
        dict or None
            The deployment as `describe_service` has it; None when another one took its place or the service
            is being deleted.

        Raises
        ------
        TaskError
            If there is no such service.
        TimeoutError
            When the deployment is neither completed nor failed in time.
        """
        service = self._service(service_arn)
        return self._thread.wait(service.rolled_out(deployment_id), timeout=timeout)

    def describe_service(self, service_arn: str) -> dict[str, Any] | None:
        """Return status, counts, deployments and events of a service, or None when there is none."""
        service = self._services.get(service_arn)
        return None if service is None else self._thread.call(service.describe)

    def service_arns(self) -> list[str]:
        """Return the ARNs of all services."""
        return list(self._services)

    def describe_tasks(self) -> list[dict[str, Any]]:
        """Return all tasks, and those that stopped during the last hour."""
        return self._thread.call(
            lambda: [task.record.describe() for task in self._tasks() if not task.is_history]
        )

    def run_task(
        self,
        *,
        cluster_arn: str,
        task_definition: Document,
        overrides: Document | None = None,
        group: str = "",
        started_by: str = "",
    ) -> dict[str, Any]:
        """Run one task that belongs to no service; return it as `describe_tasks` does.

        Raises
        ------
        TaskError
            If its definition has no essential container.
        """
        definition = TaskDefinition.from_api(task_definition)
        record = TaskRecord(
            cluster_arn=cluster_arn,
            definition=definition,
            container=definition.main_container(),
            group=group or f"family:{definition.family}",
            started_by=started_by,
            overrides=dict(overrides or {}),
        )
        return self._thread.call(lambda: self._run_single(record))

    def stop_task(self, task_arn: str, reason: str) -> dict[str, Any]:
        """Have a task stopped; return it as `describe_tasks` does.

        Raises
        ------
        TaskError
            If there is no such task.
        """

        def stop() -> dict[str, Any]:
            task = next((each for each in self._tasks() if each.record.arn == task_arn), None)
            if task is None:
                raise TaskError(f"there is no task {task_arn}")
            task.stop(reason, StopCode.USER)
            return task.record.describe()

        return self._thread.call(stop)

    def _keep(self, spec: ServiceSpec, document: Document | None = None) -> Service:
        service = Service(spec, self._host, changed=self._save, document=document)
        self._services[spec.arn] = service
        self._keepers[spec.arn] = self._thread.loop.create_task(self._keep_running(service))
        self._save()
        return service

    async def _keep_running(self, service: Service) -> None:
        try:
            await service.run()
        except Exception:
            _logger.exception("the service %s is not reconciled any more", service.spec.name)
            raise
        self._single.forget_history()
        for task in service.tasks:
            self._single.add(task)
        self._services.pop(service.spec.arn, None)
        self._keepers.pop(service.spec.arn, None)
        self._save()

    def _run_single(self, record: TaskRecord) -> dict[str, Any]:
        self._single.add(Task(record, self._host))
        return record.describe()

    async def _shut_down(self) -> None:
        for service in self._services.values():
            service.pause()
        await stop_all(self._tasks(), "the sandbox was stopped", within=self._host.timings.shutdown_timeout)
        for keeper in self._keepers.values():
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)

    def _tasks(self) -> list[Task]:
        of_services = [task for service in self._services.values() for task in service.tasks]
        return of_services + list(self._single)

    def _service(self, service_arn: str) -> Service:
        service = self._services.get(service_arn)
        if service is None:
            raise TaskError(f"there is no service {service_arn}")
        return service

    def _save(self) -> None:
        services = [each.to_document() for each in self._services.values() if not each.is_ending]
        write_atomically(self._file, json.dumps(services, indent=1, default=str))


async def _finished(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task})
