"""Settings of when alarms enter ALARM."""

from typing import Annotated

from pydantic import AfterValidator, Field

from stacks.settings.model import SettingsModel
from stacks.settings.values import web_address

_IN_REPOSITORY = "docs/"


def _runbooks(value: str) -> str:
    return value if value == _IN_REPOSITORY else web_address(value)


class ObservabilitySettings(SettingsModel):
    """When alarms enter ALARM."""

    runbooks: Annotated[str, AfterValidator(_runbooks)] = Field(
        _IN_REPOSITORY,
        pattern=r"^(docs/|https://\S+/)$",
        description="Where the pages of docs/ are read; alarms link to them.",
        examples=["https://git.example.com/gantry/blob/main/docs/"],
    )
    cpu_alarm_percent: int = Field(85, ge=1, le=100, description="CPU that tasks use on average.")
    memory_alarm_percent: int = Field(85, ge=1, le=100, description="Memory that tasks use on average.")
    latency_alarm_seconds: float = Field(1.0, gt=0, le=60, description="95th percentile of answers.")
    server_errors_alarm_count: int = Field(10, ge=1, description="Answers of 5xx within five minutes.")
    server_errors_alarm_percent: float = Field(
        1.0, ge=0, lt=100, description="Share of answers that 5xx must have besides."
    )
    deployment_errors_alarm_count: int = Field(
        20, ge=1, description="Answers of 5xx within a minute that roll a deployment back."
    )
    deployment_errors_alarm_percent: float = Field(
        5.0, ge=0, lt=100, description="Share of answers that these must have besides."
    )
    blocked_requests_alarm_count: int = Field(
        100, ge=1, description="Requests that the firewall blocks within five minutes."
    )
    blocked_requests_alarm_percent: float = Field(
        10.0, ge=0, lt=100, description="Share of all requests that these must have besides."
    )
    capacity_alarm_percent: int = Field(95, ge=1, le=99, description="Share of the database's most capacity.")
    connections_alarm_percent: int = Field(80, ge=1, le=99, description="Share of its most connections.")
    replica_lag_alarm_milliseconds: int = Field(1000, ge=1, description="Lag of a reader behind the writer.")
    cache_storage_alarm_percent: int = Field(80, ge=1, le=99, description="Share of what the cache may hold.")
