"""Who is notified: subscriptions that no one confirmed reach no one."""

from collections.abc import Iterator

from ops.checks.context import Context
from ops.checks.results import Check, Result, failed, ok

_TOPIC = "AWS::SNS::Topic"
_PENDING = "PendingConfirmation"


def _subscriptions(context: Context) -> Iterator[Result]:
    alerts = context.settings.alerts
    wanted = {*alerts.emails, *alerts.webhooks, *alerts.page_emails, *alerts.page_webhooks}
    if not wanted:
        yield ok("subscriptions", "The settings name no subscriber: alarms reach no person.")
        return
    stack = context.settings.stack_name("state")
    pages = context.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    topics = [
        each["PhysicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceType"] == _TOPIC
    ]
    found = {
        each["Endpoint"]: each["SubscriptionArn"]
        for topic in topics
        for page in context.client("sns")
        .get_paginator("list_subscriptions_by_topic")
        .paginate(TopicArn=topic)
        for each in page["Subscriptions"]
    }
    problems = [f"{each} is not confirmed" for each in sorted(wanted) if found.get(each) == _PENDING]
    # SNS deletes what is not confirmed within two days.
    problems += [f"{each} is not subscribed" for each in sorted(wanted - found.keys())]
    if problems:
        remedy = "Follow the link in the mail of SNS; after two days, `aws sns subscribe` sends another."
        yield failed("subscriptions", f"{'; '.join(problems)}.", remedy)
    else:
        yield ok("subscriptions", f"All {len(wanted)} subscribers have confirmed.")


SUBSCRIPTIONS = Check("subscriptions", _subscriptions)
