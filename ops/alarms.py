"""The alarms of an environment, which its stacks made."""

from botocore.exceptions import ClientError

from ops.aws import Environment

_TYPES = frozenset({"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"})


def names(environment: Environment) -> set[str]:
    """Return the names of the alarms that the stacks have made.

    A prefix would find those of other environments, too: prod's begins prod-standby's.
    """
    found: set[str] = set()
    pages = environment.cloudformation.get_paginator("list_stack_resources")
    for layer, region in environment.settings.places.items():
        if region != environment.settings.region:
            continue
        try:
            for page in pages.paginate(StackName=environment.settings.stack_name(layer)):
                found |= {
                    each["PhysicalResourceId"]
                    for each in page["StackResourceSummaries"]
                    if each["ResourceType"] in _TYPES and each.get("PhysicalResourceId")
                }
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
    return found


def in_alarm(environment: Environment) -> list[str]:
    """Return the alarms that the stacks made and that are in ALARM, each with its reason."""
    own = names(environment)
    pages = environment.cloudwatch.get_paginator("describe_alarms").paginate(StateValue="ALARM")
    return [
        f"{alarm['AlarmName']} is in ALARM: {alarm.get('StateReason', '')}"
        for page in pages
        for alarm in page["MetricAlarms"]
        if alarm["AlarmName"] in own
    ]
