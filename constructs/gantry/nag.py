"""Acknowledgements of cdk-nag findings, beside the resource that they speak of."""

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def acknowledge(scope: IConstruct, reason: str, *findings: str) -> None:
    """Record why findings on a resource are accepted.

    Parameters
    ----------
    scope
        The construct that the findings are on, or one that contains it.
    reason
        Why; true of every finding named, and checkable.
    findings
        Ids as cdk-nag prints them, such as ``AwsSolutions-IAM5[Resource::*]``.
    """
    Validations.of(scope).acknowledge(*(Acknowledgment(id=finding, reason=reason) for finding in findings))
