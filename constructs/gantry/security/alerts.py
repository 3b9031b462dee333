"""Alerts on what no one does in the ordinary course of things."""

from collections.abc import Mapping, Sequence

from aws_cdk import aws_sns as sns
from constructs import Construct

from gantry.security.alert_rule import AlertRule, event_pattern

_API_CALL = "AWS API Call via CloudTrail"
_SIGN_IN = "AWS Console Sign In via CloudTrail"
_SERVICE_EVENT = "AWS Service Event via CloudTrail"
_KEY_SOURCE = "aws.kms"
_CALL = {"event": "$.detail.eventName", "address": "$.detail.sourceIPAddress"}
_WHO = _CALL | {"who": "$.detail.userIdentity.arn"}

# Root's log-ins, and the calls that it makes itself; a service that acts for it is named in invokedBy.
ROOT_EVENT_TYPES = (_API_CALL, _SIGN_IN)
ROOT_EVENTS: Mapping[str, object] = {
    "eventType": [{"anything-but": ["AwsServiceEvent"]}],
    "userIdentity": {"type": ["Root"], "invokedBy": [{"exists": False}]},
}


class CloudTrailAlerts(Construct):
    """Alerts on events that EventBridge gets from CloudTrail, which needs a trail in the account.

    EventBridge gets each event in one region: root's log-ins in us-east-1, changes of a trail where the trail
    was made, those of a key where the key is
    (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html).
    A rule in another region must send its events on.

    Parameters
    ----------
    key_arns
        Keys whose loss would be the loss of what they encrypt.
    secret_arns
        Secrets that rotate.
    topic
        Gets a message for each event.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key_arns: Sequence[str],
        secret_arns: Sequence[str],
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        AlertRule(
            self,
            "RootUsed",
            description="The root user of the account logged in or called an API",
            detail_types=ROOT_EVENT_TYPES,
            detail=ROOT_EVENTS,
            message="The root user was used: <event> in <region> from <address>",
            values=_CALL | {"region": "$.detail.awsRegion"},
            topic=topic,
        )
        AlertRule(
            self,
            "TrailChanged",
            description="A trail was stopped, deleted or changed in what it records",
            source="aws.cloudtrail",
            detail_types=[_API_CALL],
            detail={
                "eventSource": ["cloudtrail.amazonaws.com"],
                "eventName": ["DeleteTrail", "PutEventSelectors", "StopLogging", "UpdateTrail"],
            },
            message="The record of the account's activity was touched: <event> by <who> from <address>",
            values=_WHO,
            topic=topic,
        )
        AlertRule(
            self,
            "KeyEndangered",
            description="A key of the platform was disabled, is to be deleted, or no longer rotates",
            source=_KEY_SOURCE,
            detail_types=[_API_CALL],
            detail=_key_detail(key_arns),
            message="A key that encrypts data is in danger: <event> of <key> by <who> from <address>",
            values=_WHO | {"key": "$.detail.resources[0].ARN"},
            topic=topic,
        )
        AlertRule(
            self,
            "RotationFailed",
            description="Secrets Manager gave up a rotation of a secret of the platform",
            source="aws.secretsmanager",
            detail_types=[_SERVICE_EVENT],
            detail={
                "eventSource": ["secretsmanager.amazonaws.com"],
                "eventName": ["RotationFailed"],
                "additionalEventData": {"SecretId": list(secret_arns)},
            },
            message="A secret was not rotated: <secret>",
            values={"secret": "$.detail.additionalEventData.SecretId"},
            topic=topic,
        )


def key_events(key_arns: Sequence[str]) -> dict[str, object]:
    """Return the pattern of what endangers keys, for a region other than the one in which the alert is."""
    return event_pattern(source=_KEY_SOURCE, detail_types=[_API_CALL], detail=_key_detail(key_arns))


def _key_detail(key_arns: Sequence[str]) -> dict[str, object]:
    return {
        "eventSource": ["kms.amazonaws.com"],
        "eventName": ["DisableKey", "DisableKeyRotation", "ScheduleKeyDeletion"],
        "resources": {"ARN": list(key_arns)},
    }
