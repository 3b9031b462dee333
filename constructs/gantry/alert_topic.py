"""The topic that every alarm and alert is sent to."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

# The services that publish alerts of this account; the topic's key lets them use it too.
PUBLISHERS = ("cloudwatch", "events")
# EventBridge does not say for whom it publishes, so that under a condition nothing of it would ever arrive:
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions
_WITHOUT_CONDITIONS = frozenset({"events"})


class AlertTopic(sns.Topic):
    """An encrypted topic that CloudWatch alarms and EventBridge rules of this account may publish to.

    The publishers are named here, because a rule of a later layer that wrote itself into the topic's policy
    would tie the layers into a cycle.

    Parameters
    ----------
    key
        Encrypts what is published.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey) -> None:
        super().__init__(scope, construct_id, master_key=key, enforce_ssl=True)
        this_account = {"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}
        for service in PUBLISHERS:
            self.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=f"PublishFrom{service.capitalize()}",
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    actions=["sns:Publish"],
                    resources=[self.topic_arn],
                    conditions=None if service in _WITHOUT_CONDITIONS else this_account,
                )
            )
