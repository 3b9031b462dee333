"""Customer-managed keys, one a purpose, with the service principals that may use them."""

from collections.abc import Sequence

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

_GENERATE = ("kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext")


class EncryptionKeys(Construct):
    """Keys for data, secrets, logs and messages; each rotates every year.

    The policies name services and not the roles of later layers, which would tie the layers into a cycle: a
    role that reads a secret is granted the use of its key in its own policy, through the service alone.

    Parameters
    ----------
    alias_prefix
        How the keys' aliases begin; their purposes follow.
    log_groups
        Patterns of the names of the log groups that may be encrypted with the logs key.
    trail_name
        The CloudTrail trail that may write with the logs key.
    alert_publishers
        The services that publish encrypted alerts.
    removal_policy
        What becomes of the keys when their stack is deleted.
    data_removal_policy
        Likewise of the data key: that of a table that may outlive a failed creation.

    Attributes
    ----------
    data, secrets, logs, messages
        The keys.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alias_prefix: str,
        log_groups: Sequence[str],
        trail_name: str,
        alert_publishers: Sequence[str],
        removal_policy: RemovalPolicy,
        data_removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self._alias_prefix = alias_prefix
        self.data = self._key("Data", "databases, caches and backups", data_removal_policy)
        self.secrets = self._key("Secrets", "secrets", removal_policy)
        self.logs = self._key("Logs", "logs and the trail", removal_policy)
        self.messages = self._key("Messages", "alerts", removal_policy)
        for statement in log_group_statements(self, log_groups):
            self.logs.add_to_resource_policy(statement)
        self._allow_trail(trail_name)
        self._allow_alert_publishers(alert_publishers)

    def _key(self, purpose: str, what: str, removal_policy: RemovalPolicy) -> kms.Key:
        return kms.Key(
            self,
            purpose,
            description=f"{Stack.of(self).stack_name}: {what}",
            enable_key_rotation=True,
            rotation_period=Duration.days(365),
            alias=f"{self._alias_prefix}/{purpose.lower()}",
            pending_window=Duration.days(7 if removal_policy is RemovalPolicy.DESTROY else 30),
            removal_policy=removal_policy,
        )

    def _allow_trail(self, name: str) -> None:
        stack = Stack.of(self)
        trail = stack.format_arn(service="cloudtrail", resource="trail", resource_name=name)
        principal = iam.ServicePrincipal("cloudtrail.amazonaws.com")
        # AWS advises against aws:SourceAccount ("Configure AWS KMS key policies for CloudTrail").
        this_trail = {"aws:SourceArn": trail}
        context = stack.format_arn(service="cloudtrail", region="*", resource="trail", resource_name="*")
        self.logs.add_to_resource_policy(
            iam.PolicyStatement(
                sid="EncryptTrail",
                principals=[principal],
                actions=list(_GENERATE),
                resources=["*"],
                conditions={
                    "StringEquals": this_trail,
                    "StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": context},
                },
            )
        )
        self.logs.add_to_resource_policy(
            iam.PolicyStatement(
                sid="DescribeForTrail",
                principals=[principal],
                actions=["kms:DescribeKey"],
                resources=["*"],
                conditions={"StringEquals": this_trail},
            )
        )

    def _allow_alert_publishers(self, names: Sequence[str]) -> None:
        # SNS names the topic that it encrypts for; not every publisher names the account that it acts for.
        topics = Stack.of(self).format_arn(service="sns", resource="*")
        for name in names:
            self.messages.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=f"PublishFrom{name.capitalize()}",
                    principals=[iam.ServicePrincipal(f"{name}.amazonaws.com")],
                    actions=["kms:Decrypt", *_GENERATE],
                    resources=["*"],
                    conditions={"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": topics}},
                )
            )


def log_group_statements(scope: Construct, names: Sequence[str]) -> list[iam.PolicyStatement]:
    """Return what a key's policy must say to encrypt log groups whose names fit the given ones.

    As in "Encrypt log data in CloudWatch Logs using AWS KMS", whose one statement conditions every action on
    the encryption context; looking at a key has none, so that there the condition would never hold.
    """
    stack = Stack.of(scope)
    principal = iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")
    groups = [
        stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name=name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        for name in names
    ]
    return [
        iam.PolicyStatement(
            sid="EncryptLogGroups",
            principals=[principal],
            actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", *_GENERATE],
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        ),
        iam.PolicyStatement(
            sid="DescribeForLogGroups",
            principals=[principal],
            actions=["kms:DescribeKey"],
            resources=["*"],
        ),
    ]
