"""The subscriptions of the notification topics."""

import hashlib
from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_sns as sns
from constructs import Construct

# SNS gives up on a webhook after three retries within a minute, and allows an hour of them.
_RETRIES = sns.DeliveryPolicy(
    healthy_retry_policy=sns.HealthyRetryPolicy(
        num_retries=10,
        min_delay_target=Duration.seconds(5),
        max_delay_target=Duration.minutes(5),
        backoff_function=sns.BackoffFunction.EXPONENTIAL,
    )
)


class Subscribers(Construct):
    """Subscribes mail addresses and webhooks to a topic; each must confirm what SNS then sends it.

    The subscriptions are in their own stack rather than in the topic's: they change more often than what
    outlives everything.

    Parameters
    ----------
    topic
        Topic to subscribe to.
    emails, webhooks
        Subscribers; webhooks are addresses that begin with ``https://``.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topic: sns.ITopic,
        emails: Sequence[str],
        webhooks: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)
        for address in emails:
            sns.Subscription(
                self, address, topic=topic, endpoint=address, protocol=sns.SubscriptionProtocol.EMAIL
            )
        for url in webhooks:
            # What is secret in the address must not show in the events of the stack.
            name = hashlib.sha256(url.encode()).hexdigest()[:8]
            sns.Subscription(
                self,
                f"Webhook{name}",
                topic=topic,
                endpoint=url,
                protocol=sns.SubscriptionProtocol.HTTPS,
                delivery_policy=_RETRIES,
            )
