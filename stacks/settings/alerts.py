"""Settings of the subscribers of alerts, of the canary and of cost alerts."""

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
