"""The topic that every alarm and alert is sent to."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

# CloudWatch is the one that pages.
ALARMS = ("cloudwatch",)
ALERTS = (*ALARMS, "events")
# EventBridge does not say for whom it publishes, so that under a condition nothing of it would ever arrive:
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions
_WITHOUT_CONDITIONS = frozenset({"events"})


class AlertTopic(sns.Topic):
    """An encrypted topic that services of AWS may publish alerts of this account to.

    The publishers are named here, because a rule of a later layer that wrote itself into the topic's policy
    would tie the layers into a cycle.

    Parameters
    ----------
    key
        Encrypts what is published; its policy lets the publishers use it.
    publishers
        The services, as in ``<service>.amazonaws.com``.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, key: kms.IKey, publishers: Sequence[str]
    ) -> None:
        super().__init__(scope, construct_id, master_key=key, enforce_ssl=True)
        this_account = {"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}
        for service in publishers:
            self.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=f"PublishFrom{service.capitalize()}",
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    actions=["sns:Publish"],
                    resources=[self.topic_arn],
                    conditions=None if service in _WITHOUT_CONDITIONS else this_account,
                )
            )
