"""Settings of an environment: one TOML file, validated before anything is built from it."""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

CONFIG_DIR = Path(__file__).resolve().parent.parent / "config"
LAYERS = ("state", "network", "data", "compute", "security", "observability")


class SettingsError(Exception):
    """The settings cannot be used; the message names file, key, value and what is allowed."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Retention(StrEnum):
    """What becomes of stateful resources when their stack is deleted."""

    RETAIN = "retain"
    DESTROY = "destroy"


_LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 180, 365, 731, 1827, 3653)


class StateSettings(_Model):
    """The layer that outlives the others."""

    retention: Retention = Field(
        Retention.RETAIN, strict=False, description="Keep or destroy stateful resources."
    )
    log_retention_days: int = Field(90, description="How long log groups keep events.")

    @model_validator(mode="after")
    def _known_retention(self) -> Self:
        if self.log_retention_days not in _LOG_RETENTION_DAYS:
            raise ValueError(f"log_retention_days must be one of {', '.join(map(str, _LOG_RETENTION_DAYS))}")
        return self


class NetworkSettings(_Model):
    """The VPC."""

    cidr: str = Field(
        "10.0.0.0/16", pattern=r"^\d+\.\d+\.\d+\.\d+/(1[6-9]|2[0-4])$", description="/16 to /24."
    )
    zones: tuple[str, ...] = Field(
        ("a", "b", "c"),
        min_length=2,
        max_length=3,
        strict=False,
        description="Letters of the region's zones.",
    )
    nat_gateways: int = Field(1, ge=1, le=3, description="One a zone survives the loss of a zone.")

    @model_validator(mode="after")
    def _no_more_gateways_than_zones(self) -> Self:
        if any(len(zone) != 1 or not "a" <= zone <= "z" for zone in self.zones):
            raise ValueError('zones must be letters such as ["a", "b", "c"]')
        if len(set(self.zones)) < len(self.zones):
            raise ValueError("zones must differ from each other")
        if self.nat_gateways > len(self.zones):
            raise ValueError("nat_gateways must not exceed the number of zones")
        return self


class AuroraSettings(_Model):
    """The database cluster; capacities are Aurora capacity units (ACU) in steps of 0.5."""

    min_capacity: Annotated[float, Field(ge=0, le=256, multiple_of=0.5, strict=False)] = 0.5
    max_capacity: Annotated[float, Field(ge=1, le=256, multiple_of=0.5, strict=False)] = 4.0
    readers: int = Field(1, ge=0, le=15, description="Reader instances beside the writer.")
    backup_retention_days: int = Field(7, ge=1, le=35, description="Window of point-in-time recovery.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_capacity > self.max_capacity:
            raise ValueError("min_capacity must not exceed max_capacity")
        return self


class ValkeySettings(_Model):
    """The serverless cache and its limits."""

    max_data_gb: int = Field(5, ge=1, le=5000, description="Most data, in GB.")
    max_ecpu_per_second: int = Field(
        5000, ge=1000, le=15_000_000, description="Most processing units a second."
    )


class EcsSettings(_Model):
    """The service and how it scales."""

    min_capacity: int = Field(2, ge=1, le=1000, description="Fewest tasks.")
    max_capacity: int = Field(6, ge=1, le=1000, description="Most tasks.")
    cpu_target_utilization: int = Field(60, ge=10, le=90, description="CPU percentage that scaling keeps.")
    cpu: int = Field(512, description="CPU units of a task; 1024 are one vCPU.")
    memory_mib: int = Field(1024, description="Memory of a task.")
    stop_timeout_seconds: int = Field(30, ge=2, le=120, description="From SIGTERM to SIGKILL.")
    deregistration_delay_seconds: int = Field(
        30, ge=0, le=3600, description="How long a leaving task drains."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Of the service.")
    database_pool_min: int = Field(1, ge=0, le=50, description="Idle connections that a task keeps.")
    database_pool_max: int = Field(10, ge=1, le=200, description="Most connections of a task.")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.min_capacity > self.max_capacity:
            raise ValueError("min_capacity must not exceed max_capacity")
        if self.database_pool_min > self.database_pool_max:
            raise ValueError("database_pool_min must not exceed database_pool_max")
        allowed = {256: (512, 1024, 2048), 512: range(1024, 4097, 1024), 1024: range(2048, 8193, 1024),
                   2048: range(4096, 16385, 1024), 4096: range(8192, 30721, 1024)}  # fmt: skip
        if self.cpu not in allowed:
            raise ValueError(f"cpu must be one of {', '.join(map(str, allowed))}")
        if self.memory_mib not in allowed[self.cpu]:
            sizes = allowed[self.cpu]
            raise ValueError(f"memory_mib with cpu = {self.cpu} must be one of {', '.join(map(str, sizes))}")
        return self


class LoadBalancerSettings(_Model):
    """How the world reaches the service."""

    certificate_arn: str | None = Field(
        None, pattern=r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/.+$", description="Turns HTTPS on."
    )
    allow_http: bool = Field(False, description="Serve without HTTPS; never in prod.")
    requests_per_five_minutes: int = Field(
        2000, ge=10, le=2_000_000_000, description="WAF's limit for one address."
    )
    deletion_protection: bool = True

    @property
    def listener_ports(self) -> list[int]:
        """Ports that the load balancer listens on."""
        return [80] if self.certificate_arn is None else [80, 443]


class ObservabilitySettings(_Model):
    """When alarms ring."""

    cpu_alarm_percent: int = Field(85, ge=1, le=100)
    memory_alarm_percent: int = Field(85, ge=1, le=100)
    latency_alarm_seconds: Annotated[float, Field(gt=0, le=60, strict=False)] = 1.0
    server_errors_alarm_count: int = Field(10, ge=1, description="Answers of 5xx within five minutes.")


class SecuritySettings(_Model):
    """What is recorded of the account's activity."""

    trail: bool = Field(True, description="Record the account's API calls; off where another trail does.")


class Settings(_Model):
    """Everything that differs between environments."""

    name: str = Field(
        "gantry", pattern=r"^[a-z][a-z0-9-]{1,18}[a-z0-9]$", description="Begins every stack's name."
    )
    environment: str = Field(pattern=r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$")
    account: str = Field(pattern=r"^\d{12}$", description="Account id.")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    container_image: str | None = Field(
        None, min_length=1, description="Image to run; by default built from service/."
    )
    state: StateSettings = StateSettings()
    network: NetworkSettings = NetworkSettings()
    aurora: AuroraSettings = AuroraSettings()
    valkey: ValkeySettings = ValkeySettings()
    ecs: EcsSettings = EcsSettings()
    load_balancer: LoadBalancerSettings = LoadBalancerSettings()
    security: SecuritySettings = SecuritySettings()
    observability: ObservabilitySettings = ObservabilitySettings()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        balancer = self.load_balancer
        if balancer.certificate_arn is None and not balancer.allow_http:
            raise ValueError("load_balancer.certificate_arn is needed unless load_balancer.allow_http = true")
        if self.environment == "prod" and balancer.allow_http:
            raise ValueError(
                "load_balancer.allow_http must be false in prod: set load_balancer.certificate_arn"
            )
        if self.aurora.min_capacity == 0 and self.ecs.database_pool_min > 0:
            raise ValueError(
                "ecs.database_pool_min must be 0 when aurora.min_capacity is 0, or it never pauses"
            )
        return self

    def stack_name(self, layer: str) -> str:
        """Return the name of a layer's stack, the same wherever the stack is made from."""
        return f"{self.name}-{self.environment}-{layer}"

    @property
    def availability_zones(self) -> list[str]:
        """Names of the zones, given rather than looked up."""
        return [f"{self.region}{zone}" for zone in self.network.zones]

    @property
    def prefix(self) -> str:
        """Path under which the environment's secrets and parameters are named."""
        return f"{self.name}/{self.environment}"

    @property
    def service_version(self) -> str:
        """What the service reports as its version: the tag or digest of its image."""
        return "local" if self.container_image is None else re.split(r"[:@]", self.container_image)[-1]

    @property
    def log_group_prefix(self) -> str:
        """How the names of all log groups begin; the logs key encrypts these."""
        return f"/{self.prefix}/"

    @property
    def trail_name(self) -> str:
        """Name of the CloudTrail trail, which the key's and the bucket's policies name before it exists."""
        return f"{self.name}-{self.environment}"


def load_settings(
    environment: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    region: str | None = None,
    config_dir: Path = CONFIG_DIR,
) -> Settings:
    """Read and validate the settings of an environment.

    Parameters
    ----------
    environment
        Names the file ``<environment>.toml``.
    overrides
        Values by dotted key, such as ``{"ecs.max_capacity": 8}``; text is read as TOML where it is TOML.
    region
        Replaces the file's region; by default the variable AWS_REGION does.

    Raises
    ------
    SettingsError
        When there is no such environment, a key is unknown or a value impossible; names all that is wrong.
    """
    file = config_dir / f"{environment}.toml"
    if not file.exists():
        known = ", ".join(sorted(path.stem for path in config_dir.glob("*.toml")))
        raise SettingsError(f"environment {environment!r} has no file {_shown(file)}; there are: {known}")
    try:
        document = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{_shown(file)} is not TOML: {error}") from error
    document["environment"] = environment
    region = region or os.environ.get("AWS_REGION")
    if region:
        document["region"] = region
    for key, value in (overrides or {}).items():
        _set(document, key, value)
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        raise SettingsError(_explain(file, error)) from error


def is_settings_key(key: str) -> bool:
    """Tell whether a CDK context key is meant for the settings; CDK's own carry punctuation."""
    return key != "environment" and all(part.isidentifier() and part.islower() for part in key.split("."))


def _set(document: dict[str, Any], key: str, value: object) -> None:
    *sections, name = key.split(".")
    table = document
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise SettingsError(f"{key}: {section} is a value, not a section")
    table[name] = _parsed(value)


def _parsed(value: object) -> object:
    """Return text from a command line as the TOML value that it spells: 8, true, ["a", "b"]."""
    if not isinstance(value, str):
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _explain(file: Path, error: ValidationError) -> str:
    lines = [f"{_shown(file)} (with its overrides) cannot be used:"]
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"  {key} = {problem['input']!r}: there is no such setting{_nearest(key)}")
        elif problem["type"] == "missing":
            lines.append(f"  {key}: is missing")
        else:
            value = "" if isinstance(problem["input"], dict) else f" = {problem['input']!r}"
            lines.append(f"  {key}{value}: {problem['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def _nearest(key: str) -> str:
    found = difflib.get_close_matches(key, list(keys()), n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Yield the dotted key of every setting."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _shown(file: Path) -> str:
    return "/".join(file.parts[-2:])
