"""Alerts on events of AWS services."""

import json
from collections.abc import Mapping, Sequence

from aws_cdk import aws_events as events
from aws_cdk import aws_sns as sns
from constructs import Construct


class AlertRule(Construct):
    """A rule that notifies a topic, in one sentence, of events that match a pattern.

    The L1 is used because the L2's target would write itself into the policy of the topic, which is in an
    earlier layer; that policy lets EventBridge publish for the whole account.

    Parameters
    ----------
    description
        What the rule looks for.
    source, detail_types, detail
        The pattern: where events come from, anywhere if not given, of which types, and what their detail must
        match.
    message
        The sentence; ``<name>`` is replaced by a value of the event.
    values
        JSON paths of the values that the sentence names.
    topic
        Notification topic.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        source: str | None = None,
        detail_types: Sequence[str],
        detail: Mapping[str, object],
        message: str,
        values: Mapping[str, str],
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        events.CfnRule(
            self,
            "Rule",
            description=description,
            event_pattern=event_pattern(source=source, detail_types=detail_types, detail=detail),
            targets=[
                events.CfnRule.TargetProperty(
                    id="alerts",
                    arn=topic.topic_arn,
                    input_transformer=events.CfnRule.InputTransformerProperty(
                        input_paths_map=dict(values), input_template=json.dumps(message)
                    ),
                )
            ],
        )


def event_pattern(
    *, source: str | None = None, detail_types: Sequence[str], detail: Mapping[str, object]
) -> dict[str, object]:
    """Return the pattern of events of a source, or of any, as EventBridge reads it."""
    pattern: dict[str, object] = {"detail-type": list(detail_types), "detail": dict(detail)}
    return pattern if source is None else {"source": [source]} | pattern
