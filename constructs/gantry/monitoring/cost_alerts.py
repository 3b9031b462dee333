"""Alerts on what the account costs."""

import json

from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_ce as ce
from aws_cdk import aws_sns as sns
from constructs import Construct

# Percentages of the amount, spent or foreseen, at which the topic is notified.
_NOTIFICATIONS = (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))


class MonthlyBudget(Construct):
    """A budget that notifies a topic when 80 % or all of a month's amount is spent, or all of it foreseen.

    The budget has no name of its own: CloudFormation replaces it when its notifications change, and a second
    one of the same name could not be made next to the first.

    Parameters
    ----------
    amount
        US dollars a month.
    topic
        Notification topic; its policy lets AWS Budgets publish.
    """

    def __init__(self, scope: Construct, construct_id: str, *, amount: int, topic: sns.ITopic) -> None:
        super().__init__(scope, construct_id)
        subscriber = budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=topic.topic_arn)
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=amount, unit="USD"),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[subscriber],
                )
                for kind, percent in _NOTIFICATIONS
            ],
        )


class CostAnomalies(Construct):
    """A subscription that notifies a topic when a service of AWS suddenly costs more than it used to.

    Parameters
    ----------
    name
        Name of the monitor and of the subscription.
    monitor_arn
        The account's monitor of services, of which there can be one; None makes it.
    amount
        US dollars that an anomaly must cost for a notification.
    topic
        Notification topic; its policy lets Cost Anomaly Detection publish.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        monitor_arn: str | None,
        amount: int,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        if monitor_arn is None:
            monitor_arn = self._monitor(name).attr_monitor_arn
        threshold = {
            "Dimensions": {
                "Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                "MatchOptions": ["GREATER_THAN_OR_EQUAL"],
                "Values": [str(amount)],
            }
        }
        ce.CfnAnomalySubscription(
            self,
            "Subscription",
            subscription_name=name,
            # SNS takes no other: https://docs.aws.amazon.com/cost-management/latest/userguide/ad-SNS.html
            frequency="IMMEDIATE",
            monitor_arn_list=[monitor_arn],
            subscribers=[ce.CfnAnomalySubscription.SubscriberProperty(type="SNS", address=topic.topic_arn)],
            threshold_expression=json.dumps(threshold),
        )

    def _monitor(self, name: str) -> ce.CfnAnomalyMonitor:
        monitor = ce.CfnAnomalyMonitor(
            self, "Monitor", monitor_name=name, monitor_type="DIMENSIONAL", monitor_dimension="SERVICE"
        )
        # CloudFormation replaces a monitor whose tags change, and AWS allows no second one next to the first.
        monitor.add_property_deletion_override("ResourceTags")
        return monitor
