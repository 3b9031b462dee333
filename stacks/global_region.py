"""Global: what AWS has in one region alone, whatever the platform's own region is."""

from typing import cast

from aws_cdk import ReferenceStrength, Stack
from aws_cdk import aws_sns as sns
from constructs import Construct

from gantry.monitoring.cost_alerts import CostAnomalies, MonthlyBudget
from gantry.security.alert_rule import event_pattern
from gantry.security.alerts import ROOT_EVENT_TYPES, ROOT_EVENTS
from gantry.security.event_forwarding import EventForwarding
from stacks.layer import LayerStack
from stacks.settings import GLOBAL_REGION, Settings
from stacks.state import StateRefs


class GlobalStack(LayerStack):
    """Costs of the account, and root's sign-in events, which are sent to the platform's region.

    Budgets and Cost Anomaly Detection belong to no region ("AWS Billing and Cost Management endpoints and
    quotas", AWS General Reference); CloudFormation has them everywhere only in us-east-1. They publish to the
    alert topic of the platform's region: a topic must be of the same account ("Creating an Amazon SNS topic
    for budget notifications", AWS Cost Management).
    """

    def __init__(self, scope: Construct, *, settings: Settings, state: StateRefs) -> None:
        super().__init__(
            scope,
            "global",
            settings=settings,
            description="Gantry: what AWS has in us-east-1 alone",
            region=GLOBAL_REGION,
        )
        if settings.forwards_global_events:
            EventForwarding(
                self,
                "RootUsed",
                description="Sends use of the root user to the platform's region",
                pattern=event_pattern(detail_types=ROOT_EVENT_TYPES, detail=ROOT_EVENTS),
                region=settings.region,
            )
        if settings.cost.watched:
            self._cost_alerts(settings, self._topic(settings, state.alert_topic))

    def _topic(self, settings: Settings, topic: sns.ITopic) -> sns.ITopic:
        """Return the topic as this region refers to it: CloudFormation has no exports between regions."""
        if settings.region == GLOBAL_REGION:
            return topic
        # The L2 gives no reference to another region; its topic does.
        arn = cast("sns.CfnTopic", topic.node.default_child).attr_topic_arn
        reference = Stack.consume_reference(arn, ReferenceStrength.WEAK)
        return sns.Topic.from_topic_arn(self, "AlertTopic", reference)

    def _cost_alerts(self, settings: Settings, topic: sns.ITopic) -> None:
        cost = settings.cost
        if cost.monthly_budget_usd is not None:
            MonthlyBudget(self, "Budget", amount=cost.monthly_budget_usd, topic=topic)
        if cost.anomalies != "off":
            CostAnomalies(
                self,
                "CostAnomalies",
                name=settings.full_name,
                monitor_arn=cost.anomaly_monitor_arn,
                amount=cost.anomaly_usd,
                topic=topic,
            )
