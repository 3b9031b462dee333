"""Settings of the service and of its load balancer."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stacks.settings.model import Problem, SettingsModel, refuse

# What docs/service-contract.md promises every container; an environment's own variables come beside them.
CONTRACT_VARIABLES = frozenset(
    {
        "PORT", "ENVIRONMENT", "SERVICE_VERSION", "LOG_LEVEL", "STOP_TIMEOUT_SECONDS", "COOKIE_SECURE",
        "DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_POOL_MIN", "DATABASE_POOL_MAX",
        "DATABASE_SECRET", "VALKEY_HOST", "VALKEY_PORT", "VALKEY_SECRET", "SECRET_KEY_BASE",
    }
)  # fmt: skip

# MiB that Fargate offers with so many CPU units:
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
_MEMORY_MIB = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4097, 1024)),
    1024: tuple(range(2048, 8193, 1024)),
    2048: tuple(range(4096, 16385, 1024)),
    4096: tuple(range(8192, 30721, 1024)),
    8192: tuple(range(16384, 61441, 4096)),
    16384: tuple(range(32768, 122881, 8192)),
}

_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", examples=["FEATURE_X"])]


class EcsSettings(SettingsModel):
    """The service's tasks and how they scale."""

    min_capacity: int = Field(2, ge=1, le=1000, description="Fewest tasks.")
    max_capacity: int = Field(6, ge=1, le=1000, description="Most tasks.")
    cpu_target_utilization: int = Field(60, ge=10, le=90, description="CPU percentage that scaling keeps.")
    cpu: Literal[256, 512, 1024, 2048, 4096, 8192, 16384] = Field(
        512, description="CPU units of a task; 1024 are one vCPU."
    )
    memory_mib: int = Field(1024, ge=512, le=122880, description="Memory of a task, in MiB.")
    stop_timeout_seconds: int = Field(30, ge=5, le=120, description="Seconds from SIGTERM to SIGKILL.")
    deregistration_delay_seconds: int = Field(
        30, ge=0, le=3600, description="Seconds that a leaving task may finish what it began."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Of the service.")
    database_pool_min: int = Field(1, ge=0, le=50, description="Idle database connections that a task keeps.")
    database_pool_max: int = Field(10, ge=1, le=200, description="Most database connections of a task.")
    environment: dict[_Variable, str] = Field(
        {}, description="Variables of the container beside those of the service contract."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        refuse(self._problems())
        return self

    def _problems(self) -> Iterator[Problem]:
        if self.min_capacity > self.max_capacity:
            yield Problem(
                "min_capacity", self.min_capacity, f"must not exceed max_capacity ({self.max_capacity})"
            )
        if self.database_pool_min > self.database_pool_max:
            allowed = f"must not exceed database_pool_max ({self.database_pool_max})"
            yield Problem("database_pool_min", self.database_pool_min, allowed)
        if self.memory_mib not in _MEMORY_MIB[self.cpu]:
            sizes = ", ".join(map(str, _MEMORY_MIB[self.cpu]))
            yield Problem("memory_mib", self.memory_mib, f"must be one of {sizes} with cpu = {self.cpu}")
        for name in sorted(CONTRACT_VARIABLES.intersection(self.environment)):
            yield Problem(
                f"environment.{name}", self.environment[name], "must go: the service contract sets it"
            )


_CERTIFICATE = re.compile(r"^arn:aws[a-z-]*:acm:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):certificate/.+$")


class LoadBalancerSettings(SettingsModel):
    """How the world reaches the service."""

    certificate_arn: str | None = Field(
        None,
        pattern=_CERTIFICATE.pattern.replace("?P<region>", "").replace("?P<account>", ""),
        description="Certificate that turns HTTPS on.",
        examples=["arn:aws:acm:us-east-1:123456789012:certificate/…"],
    )
    allow_http: bool = Field(False, description="Serve without HTTPS; never in prod.")
    requests_per_five_minutes: int = Field(
        2000, ge=10, le=2_000_000_000, description="Requests that WAF lets pass from one address."
    )
    deletion_protection: bool = Field(
        True, description="Whether deleting the load balancer must be allowed first."
    )

    @property
    def listener_ports(self) -> tuple[int, ...]:
        """Ports that the load balancer listens on."""
        return (80,) if self.certificate_arn is None else (80, 443)

    def certificate_place(self) -> tuple[str, str] | None:
        """Return region and account of the certificate."""
        found = _CERTIFICATE.match(self.certificate_arn or "")
        return (found["region"], found["account"]) if found else None
