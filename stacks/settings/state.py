"""Settings of the layer that outlives the others."""

from typing import Literal

from pydantic import Field

from stacks.settings.model import SettingsModel

# Days that CloudWatch Logs can keep events, of those that make sense here:
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LogRetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365, 731, 1827, 3653]


class StateSettings(SettingsModel):
    """What becomes of data and of records."""

    retention: Literal["retain", "destroy"] = Field(
        "retain", description="Whether stateful resources outlive their stack."
    )
    log_retention_days: LogRetentionDays = Field(90, description="Days that logs and the trail are kept.")
