"""Settings of when alarms ring."""

from pydantic import Field

from stacks.settings.model import SettingsModel


class ObservabilitySettings(SettingsModel):
    """When alarms ring."""

    cpu_alarm_percent: int = Field(85, ge=1, le=100, description="CPU that tasks use on average.")
    memory_alarm_percent: int = Field(85, ge=1, le=100, description="Memory that tasks use on average.")
    latency_alarm_seconds: float = Field(1.0, gt=0, le=60, description="95th percentile of answers.")
    server_errors_alarm_count: int = Field(10, ge=1, description="Answers of 5xx within five minutes.")
