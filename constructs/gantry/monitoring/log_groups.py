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
        Begins the name of a group, unless an AWS service prescribes all of it.
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
        name: str = "",
        full_name: str = "",
        removal_policy: RemovalPolicy = RemovalPolicy.DESTROY,
    ) -> logs.LogGroup:
        """Make a log group.

        Parameters
        ----------
        name, full_name
            What comes after the prefix, or the whole name that an AWS service prescribes: a group that the
            service makes itself has neither key nor retention.
        removal_policy
            What becomes of it when its stack is deleted; one that is retained blocks its name.

        Raises
        ------
        ValueError
            When it has no name, or two.
        """
        if bool(name) is bool(full_name):
            raise ValueError(f"give either name or full_name, not {name!r} and {full_name!r}")
        return logs.LogGroup(
            scope,
            construct_id,
            log_group_name=full_name or f"{self.prefix}{name}",
            encryption_key=self.key,
            retention=self.retention,
            removal_policy=removal_policy,
        )
