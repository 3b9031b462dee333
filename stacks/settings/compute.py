"""Settings of the service: its tasks, how they scale, and how a deployment replaces them."""

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from contract.service import VARIABLES
from stacks.settings.model import Problem, SettingsModel
from stacks.settings.values import known_time_zone, mountable_path, schedule_expression

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
_WritablePath = Annotated[
    str,
    # Not /, and no . or .. in it. What the kernel owns, a volume would hide.
    Field(pattern=r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$", max_length=200, examples=["/var/cache"]),
    AfterValidator(mountable_path),
]
_ActionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$", examples=["weekday-morning"])]
Strategy = Literal["rolling", "blue_green", "linear", "canary"]

# CloudFormation gives up after 36 hours, and refuses what waits for more than 33:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-ecs-service-linearconfiguration.html
_LONGEST_DEPLOYMENT_MINUTES = 33 * 60


class ScheduledCapacity(SettingsModel):
    """Bounds of the number of tasks from a time on, until another action sets others."""

    schedule: Annotated[str, AfterValidator(schedule_expression)] = Field(
        pattern=r"^(cron|at)\(.+\)$",
        description="When, as Application Auto Scaling writes it.",
        examples=["cron(0 7 ? * MON-FRI *)"],
    )
    time_zone: Annotated[str, AfterValidator(known_time_zone)] = Field(
        "Etc/UTC",
        pattern=r"^[A-Za-z]+(/[A-Za-z0-9_+-]+)+$",
        description="Time zone of the schedule.",
        examples=["Europe/Berlin"],
    )
    min_capacity: int = Field(ge=1, le=1000, description="Fewest tasks from then on.")
    max_capacity: int = Field(ge=1, le=1000, description="Most tasks from then on.")

    def _problems(self) -> Iterator[Problem]:
        if self.min_capacity > self.max_capacity:
            allowed = f"must not exceed max_capacity ({self.max_capacity})"
            yield Problem("min_capacity", self.min_capacity, allowed)


class EcsSettings(SettingsModel):
    """The service's tasks and how they scale."""

    min_capacity: int = Field(2, ge=1, le=1000, description="Fewest tasks.")
    max_capacity: int = Field(6, ge=1, le=1000, description="Most tasks.")
    cpu_target_utilization: int = Field(60, ge=10, le=90, description="CPU percentage that scaling keeps.")
    requests_per_target: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Requests a minute that scaling keeps for each task, in addition to its CPU percentage.",
    )
    scheduled_scaling: dict[_ActionName, ScheduledCapacity] = Field(
        {}, description="Other bounds of the number of tasks at certain times, each under a name."
    )
    spot_percent: int = Field(
        0,
        ge=0,
        # With weight 0 no task is placed on a provider, and nothing says that its base is then kept:
        # CapacityProviderStrategyItem (Amazon ECS API Reference).
        le=99,
        description="Share on Fargate Spot of the tasks above min_capacity, which AWS may stop at any time.",
    )
    cpu: Literal[256, 512, 1024, 2048, 4096, 8192, 16384] = Field(
        512, description="CPU units of a task; 1024 are one vCPU."
    )
    memory_mib: int = Field(1024, ge=512, le=122880, description="Memory of a task, in MiB.")
    cpu_architecture: Literal["arm64", "x86_64"] = Field(
        "arm64",
        description="Processor of the tasks, which the image must be for; x86_64 costs a quarter more.",
    )
    registry_secret_arn: str | None = Field(
        None,
        pattern=r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+-[A-Za-z0-9]{6}$",
        description="Secret with username and password of container_image's registry, where that is not ECR.",
        examples=["arn:aws:secretsmanager:us-east-1:123456789012:secret:registry-AbCdEf"],
    )
    registry_secret_key_arn: str | None = Field(
        None,
        pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-z0-9-]+$",
        description="Key that encrypts that secret, unless it is the account's aws/secretsmanager.",
        examples=["arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"],
    )
    start_seconds: int = Field(
        60,
        ge=30,
        le=1800,
        description="Seconds from a task's start until it must answer its health check, migrations included.",
    )
    stop_timeout_seconds: int = Field(30, ge=5, le=120, description="Seconds from SIGTERM to SIGKILL.")
    deregistration_delay_seconds: int = Field(
        30, ge=0, le=3600, description="Seconds that a leaving task may finish what it began."
    )
    health_check_command: tuple[str, ...] | None = Field(
        None,
        strict=False,
        description="Health check inside the container; empty for none. By default a line of Python.",
    )
    execute_command: bool = Field(
        False,
        description="Offer ECS Exec, with every session logged; makes the root file system writable.",
    )
    writable_paths: tuple[_WritablePath, ...] = Field(
        (),
        strict=False,
        max_length=10,
        description="Where the container may write: empty folders, which the image must declare as volumes.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Of the service.")
    database_pool_min: int = Field(1, ge=0, le=50, description="Idle database connections that a task keeps.")
    database_pool_max: int = Field(10, ge=1, le=200, description="Most database connections of a task.")
    environment: dict[_Variable, str] = Field(
        {}, description="Variables of the container, added to those of the service contract."
    )

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
        if self.registry_secret_key_arn is not None and self.registry_secret_arn is None:
            allowed = "means nothing without registry_secret_arn"
            yield Problem("registry_secret_key_arn", self.registry_secret_key_arn, allowed)
        repeated = {path for path in self.writable_paths if self.writable_paths.count(path) > 1}
        for path in sorted(repeated):
            yield Problem("writable_paths", path, "must be there once")
        for name in sorted(VARIABLES.intersection(self.environment)):
            yield Problem(
                f"environment.{name}", self.environment[name], "must go: the service contract sets it"
            )


class DeploymentSettings(SettingsModel):
    """How a deployment moves the traffic from the old tasks to the new ones."""

    strategy: Strategy = Field(
        "rolling",
        description="rolling replaces tasks as they get healthy; the others start all new tasks, then move "
        "the traffic: blue_green at once, canary a share first, linear in equal steps.",
    )
    alternate_target_group: bool = Field(
        False,
        description="Whether there is a second target group, which every strategy but rolling needs; a "
        "service that runs must get it one deployment earlier.",
    )
    step_percent: int = Field(
        10, ge=1, le=100, description="Share of the traffic that canary moves first and linear at a time."
    )
    step_minutes: int = Field(5, ge=0, le=1440, description="Minutes between two steps.")
    bake_minutes: int = Field(
        10, ge=0, le=1440, description="Minutes that the old tasks stay when all traffic has moved."
    )
    schema_version: int | None = Field(
        None,
        ge=0,
        description="Version of the database's schema that this version of the service makes; a label of its "
        "container, which a rollback reads.",
    )
    oldest_schema_version: int | None = Field(
        None,
        ge=0,
        description="Oldest schema_version of a version that still works on that schema, to which a rollback "
        "may go; by default schema_version itself.",
    )

    def _problems(self) -> Iterator[Problem]:
        if self.strategy != "rolling" and not self.alternate_target_group:
            yield Problem("alternate_target_group", False, f"must be true with strategy = {self.strategy}")
        if self.strategy == "linear" and self.step_percent < 3:
            yield Problem("step_percent", self.step_percent, "must be at least 3 with strategy = linear")
        if self.wait_minutes > _LONGEST_DEPLOYMENT_MINUTES:
            allowed = f"makes a deployment of {self.wait_minutes} minutes, over {_LONGEST_DEPLOYMENT_MINUTES}"
            yield Problem("step_minutes", self.step_minutes, allowed)
        if self.oldest_schema_version is not None:
            if self.schema_version is None:
                allowed = "must go while schema_version is not set"
                yield Problem("oldest_schema_version", self.oldest_schema_version, allowed)
            elif self.oldest_schema_version > self.schema_version:
                allowed = f"must be at most schema_version = {self.schema_version}"
                yield Problem("oldest_schema_version", self.oldest_schema_version, allowed)

    @property
    def wait_minutes(self) -> int:
        """Minutes that a deployment waits in all; a rolling one does not."""
        if self.strategy == "rolling":
            return 0
        waits = {"linear": math.ceil(100 / self.step_percent) - 1, "canary": 1}.get(self.strategy, 0)
        return waits * self.step_minutes + self.bake_minutes

    @property
    def session_hours(self) -> int:
        """Hours in which all stacks are deployed: two, and its waits. No session of a role is longer than 12.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_update-role-settings.html
        """
        return min(12, 2 + math.ceil(self.wait_minutes / 60))
