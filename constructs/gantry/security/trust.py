"""Whom roles trust."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import IConstruct


def service_of_this_account(scope: IConstruct, service: str, source_arn: str | None = None) -> iam.IPrincipal:
    """Return a service as long as it acts for this account: tests hold the keys against AWS's documentation.

    Parameters
    ----------
    scope
        Anything in the account.
    service
        Such as ``events.amazonaws.com``.
    source_arn
        Pattern of what it acts for, where AWS documents that.
    """
    conditions = {"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}
    if source_arn is not None:
        conditions["ArnLike"] = {"aws:SourceArn": source_arn}
    return iam.ServicePrincipal(service, conditions=conditions)
