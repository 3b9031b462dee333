"""Log groups."""

from dataclasses import dataclass

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct


@dataclass(frozen=True, kw_only=True)
class LogDefaults:
    """What the log groups of a stack have in common.

    Attributes
    ----------
    prefix
        How the names begin of those that AWS does not name.
    key
        Encrypts them; imported by ARN when it belongs to another stack.
    retention
        How long they are kept.
    """

    prefix: str
    key: kms.IKey
    retention: logs.RetentionDays

    def group(
        self,
        scope: Construct,
        construct_id: str = "LogGroup",
        *,
        name: str | None = None,
        full_name: str | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.DESTROY,
    ) -> logs.LogGroup:
        """Make a log group.

        Parameters
        ----------
        name, full_name
            What comes after the prefix, or all of a name that AWS chose: a service that makes its group
            itself makes it without key and retention.
        removal_policy
            What becomes of it when its stack is deleted. A log that stays takes the name.
        """
        return logs.LogGroup(
            scope,
            construct_id,
            log_group_name=full_name or f"{self.prefix}{name}",
            encryption_key=self.key,
            retention=self.retention,
            removal_policy=removal_policy,
        )
