"""What a load asks of the platform: requests a second, and what is assumed of each request."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops.console import CliError

HOURS_A_MONTH = Decimal(730)
SECONDS_A_MONTH = HOURS_A_MONTH * 3600
DAYS_A_MONTH = HOURS_A_MONTH / 24
KB_A_GB = Decimal(1024 * 1024)


def _number(default: str, meaning: str) -> Any:  # noqa: ANN401 - what pydantic.Field returns
    return Field(Decimal(default), ge=0, description=meaning)


def _positive(default: str, meaning: str) -> Any:  # noqa: ANN401 - what pydantic.Field returns
    return Field(Decimal(default), gt=0, description=meaning)


class Assumptions(BaseModel):
    """What cannot be read from templates; every estimate prints these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    response_kb: Decimal = _number("10", "KB that a response sends to the internet")
    request_kb: Decimal = _number("1", "KB of a request, with its headers")
    requests_a_connection: Decimal = _positive("10", "requests over one connection of a client")
    connection_seconds: Decimal = _number("60", "seconds that a client's connection stays open")
    requests_a_vcpu: Decimal = _positive(
        "100", "requests a second that one vCPU of a task serves at the CPU target"
    )
    requests_an_acu: Decimal = _positive("200", "requests a second that one ACU of the database serves")
    database_kb: Decimal = _number("4", "KB between a task and the database for a request")
    database_io: Decimal = _number("2", "storage I/O operations of the database for a request")
    cache_units: Decimal = _number("3", "ECPU of the cache for a request")
    log_kb: Decimal = _number("0.5", "KB that a task logs for a request")
    flow_log_kb: Decimal = _number("0.1", "KB of VPC flow logs for a request")
    firewall_log_kb: Decimal = _number("1", "KB of web firewall logs for a request, where they are on")
    access_log_kb: Decimal = _number(
        "0.5", "KB of load balancer access logs for a request, where they are on"
    )
    idle_log_gb: Decimal = _number("1", "GB a month in each log group without any request")
    log_compression: Decimal = _number("0.15", "share of its size that a log keeps in storage")
    log_months: Decimal = _number("12", "months that a log without retention is counted for")
    database_gb: Decimal = _number("10", "GB in the database")
    database_daily_change: Decimal = _number(
        "0.02", "share of the database that changes in a day, for its backups"
    )
    cache_gb: Decimal = _number("0.1", "GB in the cache, which is also the least that is charged")
    bucket_gb: Decimal = _number("1", "GB in each bucket, besides access logs")
    table_gb: Decimal = _number("0.1", "GB in each table")
    images_gb: Decimal = _number("2", "GB of images in each repository")
    function_seconds: Decimal = _number("1", "seconds that a function runs each time")
    function_runs: Decimal = _number("500", "runs a month of a function that no schedule starts")
    account_events_millions: Decimal = _number("0.5", "million management events a month in the account")
    key_rotations: Decimal = _number("2", "yearly rotations of a KMS key so far; the first two are charged")
    pipeline_runs: Decimal = _number("30", "runs of a pipeline in a month")
    pipeline_minutes: Decimal = _number("30", "minutes that the actions of one run take in all")
    build_minutes: Decimal = _number("5", "minutes that a build project takes in one run")
    workflow_transitions: Decimal = _number("1000", "transitions of a state machine in a month")

    def described(self) -> Iterator[tuple[str, Decimal, str]]:
        """Yield name, number and meaning of each assumption."""
        for name, each in type(self).model_fields.items():
            yield name, getattr(self, name), each.description or ""


def assuming(words: Sequence[str]) -> Assumptions:
    """Return the assumptions with some of them replaced, each given as ``name=number``.

    Raises
    ------
    CliError
        When a name is unknown or its value no number.
    """
    given = dict(word.partition("=")[::2] for word in words)
    try:
        return Assumptions.model_validate(given)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            known = ", ".join(Assumptions.model_fields)
            raise CliError(f"There is no assumption {name}. There are: {known}.") from error
        raise CliError(f"{name} = {problem['input']!r} cannot be assumed: {problem['msg']}.") from error


LEFT_OUT = (
    "Free tiers are ignored: a new or small account pays less.",
    "Taxes, support plans, Savings Plans and other discounts are ignored.",
    "API calls to KMS, Secrets Manager, S3, SNS, SQS and EventBridge are left out: cents at these loads.",
    "Every task is priced on demand, a share on Fargate Spot too: Spot prices move.",
    "A load is held the whole month; real traffic has nights.",
)


@dataclass(frozen=True)
class Workload:
    """A constant load."""

    requests_a_second: Decimal
    assumptions: Assumptions = field(default_factory=Assumptions)

    @property
    def requests(self) -> Decimal:
        """Requests in a month."""
        return self.requests_a_second * SECONDS_A_MONTH

    @property
    def million_requests(self) -> Decimal:
        """Requests in a month, in millions."""
        return self.requests / 1_000_000

    def gigabytes(self, kb_a_request: Decimal) -> Decimal:
        """Return the GB in a month of something that each request has so many KB of."""
        return self.requests * kb_a_request / KB_A_GB


IDLE = Workload(Decimal(0))
