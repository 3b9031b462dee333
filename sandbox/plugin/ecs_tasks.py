"""What tasks get from the emulated AWS: values of secrets, an event bus, log streams."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch, cloudwatch_logs, ecs, eventbridge

from sandbox.tasks import Aws, LogEvent

# ministack keeps log events in memory.
_EVENTS_IN_STREAM = 2000


def aws() -> Aws:
    """Return the emulated AWS as the task scheduler sees it."""
    return Aws(secret_value=_secret_value, put_event=put_event, put_log_events=put_log_events, alarms=_alarms)


def scope(arn: str) -> tuple[str, str]:
    """Return the account and the region of an ARN."""
    _, _, _, region, account, *_ = arn.split(":")
    return account, region


def _secret_value(source: str) -> str:
    account, region = scope(source)
    with request_scope(account, region):
        values: Mapping[str, str] = ecs._resolve_container_secrets(
            {"secrets": [{"name": "value", "valueFrom": source}]}
        )
    return values["value"]


def _alarms(arn: str, names: Sequence[str]) -> frozenset[str]:
    account, region = scope(arn)
    with request_scope(account, region):
        states = {name: cloudwatch._alarms.get(name) or {} for name in names}
    return frozenset(name for name, alarm in states.items() if alarm.get("StateValue") == "ALARM")


def put_event(event: dict[str, Any]) -> None:
    """Put an event, in the form in which EventBridge delivers it, on the default bus."""
    with request_scope(event["account"], event["region"]):
        eventbridge._dispatch_event(
            {
                "EventId": event["id"],
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(event["detail"]),
                "EventBusName": "default",
                "Time": event["time"],
                "Resources": event["resources"],
                "Account": event["account"],
                "Region": event["region"],
            }
        )


def put_log_events(group: str, stream: str, events: Sequence[LogEvent]) -> None:
    """Put events into a stream, of which the newest stay."""
    config = {"group": group, "stream": stream, "create_group": True}
    ecs._ensure_awslogs_stream(config)
    cloudwatch_logs._put_log_events(
        {
            "logGroupName": group,
            "logStreamName": stream,
            "logEvents": [{"timestamp": each.timestamp, "message": each.message} for each in events],
        }
    )
    del cloudwatch_logs._log_groups[group]["streams"][stream]["events"][:-_EVENTS_IN_STREAM]
