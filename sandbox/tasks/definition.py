"""Task definitions, read from documents in the shape of the ECS API."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

Document = Mapping[str, Any]
"""A document of the AWS API; botocore's service model has its shape."""


class TaskError(Exception):
    """A task or service cannot be run; the message says which and why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogDestination:
    """Where the `awslogs` driver sends the output of a container."""

    group: str
    stream_prefix: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """How patient the container health check is, in seconds; the check itself is the sandbox's own."""

    retries: int = 3
    start_period: float = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContainerDefinition:
    """The part of a container definition that the sandbox obeys."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    entry_point: tuple[str, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    secrets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    essential: bool = True
    ports: tuple[int, ...] = ()
    stop_timeout: float = 30
    health_check: HealthCheck | None = None
    logs: LogDestination | None = None
    mounts: tuple[str, ...] = ()

    @classmethod
    def from_api(cls, document: Document) -> Self:
        """Read one of a task definition's `containerDefinitions`."""
        health = document.get("healthCheck")
        return cls(
            name=document["name"],
            image=document["image"],
            command=tuple(document.get("command") or ()),
            entry_point=tuple(document.get("entryPoint") or ()),
            environment={pair["name"]: pair["value"] for pair in document.get("environment") or ()},
            secrets={pair["name"]: pair["valueFrom"] for pair in document.get("secrets") or ()},
            essential=document.get("essential", True),
            ports=tuple(int(port["containerPort"]) for port in document.get("portMappings") or ()),
            stop_timeout=float(document.get("stopTimeout") or 30),
            health_check=_health_check(health) if health else None,
            logs=_log_destination(document.get("logConfiguration") or {}),
            mounts=tuple(mount["containerPath"] for mount in document.get("mountPoints") or ()),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskDefinition:
    """A revision of a task definition."""

    arn: str
    family: str
    revision: int
    containers: tuple[ContainerDefinition, ...]
    cpu: str = "256"
    memory: str = "512"
    document: Document = dataclasses.field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_api(cls, document: Document) -> Self:
        """Read what `DescribeTaskDefinition` returns under `taskDefinition`."""
        return cls(
            arn=document["taskDefinitionArn"],
            family=document["family"],
            revision=int(document["revision"]),
            containers=tuple(ContainerDefinition.from_api(each) for each in document["containerDefinitions"]),
            cpu=str(document.get("cpu") or "256"),
            memory=str(document.get("memory") or "512"),
            document=document,
        )

    def main_container(self, name: str | None = None) -> ContainerDefinition:
        """Return the container that the sandbox runs: the named one, else the first essential one.

        Raises
        ------
        TaskError
            If there is no such container.
        """
        for container in self.containers:
            if container.name == name or (name is None and container.essential):
                return container
        wanted = "an essential container" if name is None else f"a container named {name!r}"
        names = ", ".join(container.name for container in self.containers)
        raise TaskError(f"task definition {self.family}:{self.revision} has not got {wanted}, only: {names}")


def _health_check(document: Document) -> HealthCheck:
    return HealthCheck(
        retries=int(document.get("retries") or 3),
        start_period=float(document.get("startPeriod") or 0),
    )


def _log_destination(document: Document) -> LogDestination | None:
    options = document.get("options") or {}
    if document.get("logDriver") != "awslogs" or "awslogs-group" not in options:
        return None
    return LogDestination(
        group=options["awslogs-group"], stream_prefix=options.get("awslogs-stream-prefix", "")
    )
