"""Threat detection and access analysis of an account; findings are published."""

from aws_cdk import aws_guardduty as guardduty
from aws_cdk import aws_sns as sns
from constructs import Construct

from gantry.security.alert_rule import AlertRule

# What GuardDuty reads besides the logs that it always does. Runtime monitoring is not among them: it puts a
# container of its own into every task.
_FEATURES = ("LAMBDA_NETWORK_LOGS", "RDS_LOGIN_EVENTS", "S3_DATA_EVENTS")


class ThreatDetector(guardduty.CfnDetector):
    """GuardDuty's detector, of which a region of an account has one."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(
            scope,
            construct_id,
            enable=True,
            finding_publishing_frequency="FIFTEEN_MINUTES",
            features=[
                self.CFNFeatureConfigurationProperty(name=name, status="ENABLED") for name in _FEATURES
            ],
        )


class ThreatAlert(AlertRule):
    """A rule that notifies a topic of what GuardDuty finds.

    Parameters
    ----------
    severity
        The least severity for a notification; high begins at 7, critical at 9.
    topic
        Notification topic.
    """

    def __init__(self, scope: Construct, construct_id: str, *, severity: float, topic: sns.ITopic) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"GuardDuty found something of severity {severity:g} or more",
            source="aws.guardduty",
            detail_types=["GuardDuty Finding"],
            detail={"severity": [{"numeric": [">=", severity]}]},
            message="GuardDuty, severity <severity>: <title>",
            values={"severity": "$.detail.severity", "title": "$.detail.title"},
            topic=topic,
        )


class AccessAlert(AlertRule):
    """A rule that notifies a topic of what IAM Access Analyzer finds open to others than the account.

    Parameters
    ----------
    topic
        Notification topic.
    """

    def __init__(self, scope: Construct, construct_id: str, *, topic: sns.ITopic) -> None:
        super().__init__(
            scope,
            construct_id,
            description="IAM Access Analyzer found something that others than the account may reach",
            source="aws.access-analyzer",
            detail_types=["Access Analyzer Finding"],
            detail={"status": ["ACTIVE"]},
            message="Others than this account may reach <resource>",
            values={"resource": "$.detail.resource"},
            topic=topic,
        )
