"""Configuration: the documented environment variables, read once."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Json,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

Port = Annotated[int, Field(ge=1, le=65535)]
NonEmpty = Annotated[str, Field(min_length=1)]
# "$MAX $PERIOD", or "max" without a limit: Control Group v2 (The Linux Kernel documentation), cpu.max.
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
# A field that is made with this is a secret: no message shows its value.
_SECRET = Field(repr=False)


class SettingsError(Exception):
    """The environment does not configure the service.

    Attributes
    ----------
    problems
        One sentence for each variable that is missing or malformed; never the value of a secret.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Credentials(BaseModel):
    """A user name with its password, out of one version of a secret."""

    model_config = ConfigDict(frozen=True)

    username: NonEmpty
    password: Annotated[SecretStr, Field(min_length=1)]


class SigningKeys(BaseModel):
    """The keys that sign cookies: new ones with `current`; `previous` is still honoured."""

    model_config = ConfigDict(frozen=True)

    current: Annotated[SecretStr, Field(min_length=32)]
    previous: Annotated[SecretStr, Field(min_length=32)] | None = None


class Settings(BaseModel):
    """What the environment says; each field is the variable of the same name in capitals."""

    model_config = ConfigDict(frozen=True, alias_generator=str.upper)

    environment: NonEmpty
    service_version: NonEmpty
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    host: NonEmpty = "0.0.0.0"  # noqa: S104 - a container is reached from outside
    port: Port
    # Below five seconds nothing can be drained; Fargate allows 120 at most.
    web_concurrency: Annotated[int, Field(ge=1, le=64)] | None = None
    stop_timeout_seconds: Annotated[int, Field(ge=5, le=120)]
    cookie_secure: bool

    database_host: NonEmpty
    database_port: Port
    database_name: NonEmpty
    database_pool_min: Annotated[int, Field(ge=0)]
    database_pool_max: Annotated[int, Field(ge=1)]
    database_prepared_statements: bool = True
    database_secret: Json[Credentials] = _SECRET

    valkey_host: NonEmpty
    valkey_port: Port
    valkey_secret: Json[Credentials] = _SECRET

    secret_key_base: Json[SigningKeys] = _SECRET

    rate_limit_per_minute: Annotated[int, Field(ge=1)] = 1200
    sign_in_rate_limit_per_minute: Annotated[int, Field(ge=1)] = 60

    @field_validator("database_pool_max")
    @classmethod
    def _not_below_minimum(cls, maximum: int, info: ValidationInfo) -> int:
        minimum = info.data.get("database_pool_min")  # absent when it is malformed itself
        if minimum is not None and maximum < minimum:
            raise ValueError(f"must not be less than DATABASE_POOL_MIN, which is {minimum}")
        return maximum

    @property
    def workers(self) -> int:
        """How many processes serve: each needs a connection to the database."""
        return min(self.web_concurrency or _processors(), self.database_pool_max)

    def share(self, worker: int) -> Self:
        """Return what one of the workers has of the task's connections."""
        shares = {
            name: getattr(self, name) // self.workers + (worker < getattr(self, name) % self.workers)
            for name in ("database_pool_min", "database_pool_max")
        }
        return self.model_copy(update=shares)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read the configuration.

        Raises
        ------
        SettingsError
            If a variable is missing or malformed; it names all of them.
        """
        try:
            return cls.model_validate(dict(environ))
        except ValidationError as error:
            raise SettingsError([_describe(detail) for detail in error.errors()]) from None


def _processors() -> int:
    """Return how many processors this container may use, where its environment does not say."""
    processors = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):
        quota, period = map(int, _QUOTA.read_text(encoding="ascii").split())
        processors = min(processors, quota // period)
    return max(1, processors)


def _describe(error: ErrorDetails) -> str:
    variable, *path = (str(part) for part in error["loc"])
    is_secret = not Settings.model_fields[variable.lower()].repr
    if error["type"] == "missing" and not path:
        return f"{variable} is not set"
    shown = "" if is_secret else f"={error['input']!r}"
    where = f", key {'.'.join(path)}" if path else ""
    return f"{variable}{shown}{where}: {error['msg']}"
