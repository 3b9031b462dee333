"""Puts the plug-in's modules together and into ministack."""

import dataclasses
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack import app

from sandbox.layout import Layout
from sandbox.load_balancer.control import LoadBalancerControl
from sandbox.plugin import (
    cloudformation,
    ecs,
    ecs_tasks,
    ecs_types,
    elasticache,
    elbv2,
    iam,
    lambdas,
    patching,
    persistence,
    rds,
    recovery,
    resource_types,
    rotation,
    s3,
    scaling,
    secretsmanager,
    serverless_cache,
    service_deployments,
    taken_names,
    types_without_behaviour,
)
from sandbox.plugin.backing_servers import BackingServers
from sandbox.plugin.context import Context
from sandbox.plugin.database_logs import DatabaseLogs
from sandbox.plugin.persistence import StateKeeper
from sandbox.ports import HOST, Ports
from sandbox.problems import Problem
from sandbox.tasks import TaskScheduler
from sandbox.tls import Authority

_logger = logging.getLogger(__name__)

_SERVICE_FOLDER = Path(__file__).resolve().parents[2] / "service"
# What a task trusts, as the control plane itself does.
_TRUST = ("PGSSLROOTCERT", "SSL_CERT_FILE")


class ControlPlane:
    """The sandbox's control plane: ministack, changed before it loads its state and serves.

    Parameters
    ----------
    layout, ports, authority
        Files, ports and certificate authority of the sandbox.

    Raises
    ------
    sandbox.plugin.patching.PatchError
        If the installed ministack is not the one that the plug-in was written for.
    """

    def __init__(self, layout: Layout, ports: Ports, authority: Authority) -> None:
        patching.check_version()
        self._stopping = False
        self._context = Context(
            layout=layout,
            ports=ports,
            authority=authority,
            load_balancer=LoadBalancerControl(layout.root),
            backing_servers=BackingServers(),
            keeper=StateKeeper(layout.control_plane),
        )
        self._scheduler = TaskScheduler(
            layout=layout,
            folder=_SERVICE_FOLDER,
            variables={"HOST": HOST, **{name: os.environ[name] for name in _TRUST}},
            aws=dataclasses.replace(ecs_tasks.aws(), put_event=self._put_event),
            load_balancer=self._context.load_balancer,
        )
        self._rotations = self._install(ports)

    def problems(self) -> list[Problem]:
        """Return the servers that should run and do not."""
        return self._context.backing_servers.problems()

    def stop(self) -> None:
        """Stop the tasks and the backing servers."""
        self._stopping = True
        self._scheduler.stop()
        self._context.backing_servers.stop_all()

    def _put_event(self, event: dict[str, Any]) -> None:
        # That tasks end with the sandbox is nothing that happened in the account.
        if not self._stopping:
            ecs_tasks.put_event(event)

    def _install(self, ports: Ports) -> rotation.Rotations:
        resource_types.install()
        types_without_behaviour.install()
        cloudformation.install()
        taken_names.install()
        recovery.install()
        iam.install()
        lambdas.install()
        s3.install()
        secretsmanager.install()
        rotations = rotation.install(self._context.keeper)
        rds.install(self._context)
        elasticache.install(self._context)
        serverless_cache.install()
        elbv2.install(self._context)
        services = ecs.Services(self._scheduler)
        ecs.install(services)
        service_deployments.install(services)
        ecs_types.install(services)
        persistence.install(self._context.keeper)
        scaling.install(services)  # what it serves changes nothing

        @patching.wrap(app, "_load_persisted_state")
        def load_persisted_state(original: Callable[[], None]) -> None:
            del original
            try:
                persistence.load()
                self._start()
            except Exception:
                # The server would go on serving without what failed here, and write that down.
                _logger.exception("The control plane cannot start")
                os._exit(1)
            recovery.recover(ports.get("aws"))

        return rotations

    def _start(self) -> None:
        self._scheduler.start()
        self._rotations.follow_schedules()
        self._context.backing_servers.watch()
        DatabaseLogs(self._context.layout).watch()
        self._context.keeper.start()
