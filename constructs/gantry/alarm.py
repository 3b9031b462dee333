"""An alarm that says what it means and where to read on."""

from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from aws_cdk.aws_cloudwatch_actions import SnsAction
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class Notices:
    """What alarms of a kind are called, who hears of them, and where it says what they mean.

    Attributes
    ----------
    prefix
        Begins the alarms' names.
    topic
        Hears of them; None where something else watches the alarms.
    runbook
        Address of the page with a section for each.
    """

    prefix: str
    topic: sns.ITopic | None
    runbook: str


class NotifyingAlarm(cloudwatch.Alarm):
    """Tells a topic when something is wrong, and when it is right again.

    Its name is given, so that others can show the alarm without a reference that would keep it from going.

    Parameters
    ----------
    name
        What the alarm is called, after the prefix.
    notices
        Prefix, topic and runbook.
    meaning
        What is wrong, in a sentence.
    metric, threshold, periods
        Beyond the threshold in so many periods in a row, the alarm rings.
    comparison
        What is beyond.
    missing
        What a period without data means; where it is missing data, the topic is told of that, too.
    section
        Section of the runbook; by default it is called like the alarm.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        notices: Notices,
        meaning: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        periods: int,
        comparison: cloudwatch.ComparisonOperator = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
        section: str | None = None,
    ) -> None:
        self.full_name = f"{notices.prefix}-{name}"
        super().__init__(
            scope,
            construct_id,
            alarm_name=self.full_name,
            alarm_description=f"{meaning} What to do: {notices.runbook}#{section or name}",
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=comparison,
            treat_missing_data=missing,
        )
        if notices.topic is not None:
            self.add_alarm_action(SnsAction(notices.topic))
            self.add_ok_action(SnsAction(notices.topic))
            if missing is cloudwatch.TreatMissingData.MISSING:
                self.add_insufficient_data_action(SnsAction(notices.topic))
