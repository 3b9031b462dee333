"""Events of one region, sent to the event bus of another."""

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from gantry.security.trust import service_of_this_account


class EventForwarding(Construct):
    """Sends events that match a pattern on to another region of the account.

    Rules there see them as their own, with the region of their origin.

    Parameters
    ----------
    description
        What is sent on.
    pattern
        Which events.
    region
        Where to: its default event bus.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        pattern: Mapping[str, object],
        region: str,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        bus = stack.format_arn(service="events", region=region, resource="event-bus", resource_name="default")
        role = iam.Role(
            self,
            "Role",
            assumed_by=service_of_this_account(self, "events.amazonaws.com"),
        )
        role.add_to_policy(iam.PolicyStatement(actions=["events:PutEvents"], resources=[bus]))
        rule = events.CfnRule(
            self,
            "Rule",
            description=description,
            event_pattern=dict(pattern),
            targets=[events.CfnRule.TargetProperty(id="bus", arn=bus, role_arn=role.role_arn)],
        )
        rule.node.add_dependency(role)
