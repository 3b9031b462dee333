"""Settings of alarms, of who is notified, and of what is asked and counted from outside."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from stacks.settings.model import Problem, SettingsModel, Singleton
from stacks.settings.values import web_address

_Email = Annotated[
    str, Field(pattern=r"^[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(\.[\w-]+)+$", examples=["team@example.com"])
]
_Webhook = Annotated[
    str,
    Field(pattern=r"^https://[^\s/]+\.[^\s/]+(/\S*)?$", examples=["https://example.com/…"]),
    AfterValidator(web_address),
]


class AlertSettings(SettingsModel):
    """Subscribers: an alert can wait for the morning, a page means that users are not served now."""

    emails: tuple[_Email, ...] = Field((), strict=False, description="E-mail addresses that get alerts.")
    webhooks: tuple[_Webhook, ...] = Field(
        (), strict=False, description="Addresses that alerts are posted to."
    )
    page_emails: tuple[_Email, ...] = Field((), strict=False, description="Mail addresses that are paged.")
    page_webhooks: tuple[_Webhook, ...] = Field(
        (), strict=False, description="Addresses that pages are posted to, such as an on-call service's."
    )

    def _problems(self) -> Iterator[Problem]:
        for key in type(self).model_fields:
            endpoints = getattr(self, key)
            if len(set(endpoints)) < len(endpoints):
                yield Problem(key, endpoints, "must differ from each other")


class CanarySettings(SettingsModel):
    """The canary that asks the service how it is, from outside."""

    enabled: bool = Field(False, description="Whether there is one; each run costs.")
    url: Annotated[str, AfterValidator(web_address)] | None = Field(
        None,
        pattern=r"^https?://[^\s/]+(/\S*)?$",
        description="What it asks; by default /healthz of domain.name, without HTTPS of the load balancer.",
        examples=["https://www.example.com/healthz"],
    )
    minutes: int = Field(5, ge=1, le=60, description="Minutes between two runs.")
    runtime: str = Field(
        "syn-python-selenium-14.0",
        pattern=r"^syn-python-selenium-[0-9]+\.[0-9]+$",
        description="Runtime of Synthetics; AWS makes no new canary with a deprecated one.",
        examples=["syn-python-selenium-14.0"],
    )


_MONITOR = r"^arn:aws[a-z-]*:ce::\d{12}:anomalymonitor/[0-9a-f-]+$"


class CostSettings(SettingsModel):
    """What the account may cost, and when its costs are strange."""

    monthly_budget_usd: int | None = Field(
        None,
        ge=1,
        description="US dollars that the account may cost in a month; without it there is no budget.",
    )
    anomalies: Singleton = Field(
        "off",
        description="Who makes the account's one monitor of strange costs; existing ones raise alerts too.",
    )
    anomaly_monitor_arn: str | None = Field(
        None,
        pattern=_MONITOR,
        description="The existing monitor.",
        examples=["arn:aws:ce::123456789012:anomalymonitor/00000000-0000-0000-0000-000000000000"],
    )
    anomaly_usd: int = Field(50, ge=1, description="US dollars from which strange costs raise an alert.")

    @property
    def watched(self) -> bool:
        """Whether anything watches the costs."""
        return self.monthly_budget_usd is not None or self.anomalies != "off"

    def _problems(self) -> Iterator[Problem]:
        if self.anomalies == "existing" and self.anomaly_monitor_arn is None:
            yield Problem("anomaly_monitor_arn", None, 'is needed by anomalies = "existing"')
        if self.anomalies != "existing" and self.anomaly_monitor_arn is not None:
            allowed = 'must go unless anomalies = "existing"'
            yield Problem("anomaly_monitor_arn", self.anomaly_monitor_arn, allowed)


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
