"""An alarm with a description and a link to its runbook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict, Unpack

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from aws_cdk.aws_cloudwatch_actions import SnsAction
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class AlarmDefaults:
    """Prefix of the names, topic and runbook of alarms of a kind.

    Attributes
    ----------
    prefix
        Begins the alarms' names.
    topic
        Is notified; None where something else watches the alarms.
    runbook
        Address of the page with a section for each.
    section_prefix
        Begins the sections' names, which else are those of the alarms.
    """

    prefix: str
    topic: sns.ITopic | None
    runbook: str
    section_prefix: str = ""

    def alarm(
        self,
        scope: Construct,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        description: str,
        **options: Unpack[AlarmOptions],
    ) -> NotifyingAlarm:
        """Make an alarm; its construct id is its name: ``dead-letters`` is ``DeadLettersAlarm``.

        The parameters are those of `NotifyingAlarm`.
        """
        options.setdefault("periods", 1)
        options.setdefault("section", self.section_prefix + name)
        return NotifyingAlarm(
            scope,
            f"{name.title().replace('-', '')}Alarm",
            name=name,
            alarm_defaults=self,
            description=description,
            metric=metric,
            threshold=threshold,
            **options,
        )


class AlarmOptions(TypedDict, total=False):
    """How an alarm evaluates its metric; see `NotifyingAlarm`."""

    periods: int
    datapoints: int | None
    comparison: cloudwatch.ComparisonOperator
    missing: cloudwatch.TreatMissingData
    warm_up: Duration | None
    section: str | None


class NotifyingAlarm(cloudwatch.Alarm):
    """Alarm that notifies a topic when it enters ALARM, and when it leaves it.

    Its name is given, so that others can show the alarm without a reference that would keep it from going.

    Parameters
    ----------
    name
        What the alarm is called, after the prefix.
    alarm_defaults
        Prefix, topic and runbook.
    description
        What is wrong, in a sentence.
    metric, threshold, periods
        Beyond the threshold in so many periods in a row, the alarm enters ALARM.
    datapoints
        In how many of the periods it suffices to be beyond; by default in all.
    comparison
        What is beyond.
    missing
        What a period without data means; where it is missing data, the topic is notified of that, too.
    calendar
        Whether periods are those of the calendar, in UTC, evaluated when they are over; else they slide.
    warm_up
        How long after its creation the alarm is not evaluated.
    section
        Section of the runbook; by default it is called like the alarm.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        alarm_defaults: AlarmDefaults,
        description: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        periods: int = 1,
        datapoints: int | None = None,
        comparison: cloudwatch.ComparisonOperator = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
        calendar: bool = False,
        warm_up: Duration | None = None,
        section: str | None = None,
    ) -> None:
        self.full_name = f"{alarm_defaults.prefix}-{name}"
        super().__init__(
            scope,
            construct_id,
            alarm_name=self.full_name,
            alarm_description=f"{description} What to do: {alarm_defaults.runbook}#{section or name}",
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            datapoints_to_alarm=datapoints,
            comparison_operator=comparison,
            treat_missing_data=missing,
        )
        self._evaluate(calendar=calendar, warm_up=warm_up)
        if alarm_defaults.topic is not None:
            self.add_alarm_action(SnsAction(alarm_defaults.topic))
            self.add_ok_action(SnsAction(alarm_defaults.topic))
            if missing is cloudwatch.TreatMissingData.MISSING:
                self.add_insufficient_data_action(SnsAction(alarm_defaults.topic))

    def _evaluate(self, *, calendar: bool, warm_up: Duration | None) -> None:
        """Set what the L2 construct does not know.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation-window.html
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-warm-up.html
        """
        alarm = self.node.default_child
        assert isinstance(alarm, cloudwatch.CfnAlarm)  # noqa: S101 - what the L2 construct makes
        if calendar:
            alarm.evaluation_window = cloudwatch.CfnAlarm.EvaluationWindowProperty(
                wall_clock_window=cloudwatch.CfnAlarm.WallClockWindowProperty(timezone="UTC")
            )
        if warm_up is not None:
            alarm.warm_up_configuration = cloudwatch.CfnAlarm.WarmUpConfigurationProperty(
                warm_up_period_duration_in_minutes=warm_up.to_minutes(),
                only_start_evaluating_after_warm_up_period_ends=True,
            )
