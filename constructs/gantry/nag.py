"""Acknowledgements of cdk-nag findings, beside the resource that they speak of."""

from collections.abc import Iterable

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct

NIST, HIPAA, PCI = "NIST.800.53.R5", "HIPAA.Security", "PCI.DSS.321"


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
    Validations.of(scope).acknowledge(
        *(Acknowledgment(id=_qualified(finding), reason=reason) for finding in findings)
    )


def shared(rule: str, packs: Iterable[str]) -> list[str]:
    """Return the ids of a rule that several packs have, such as ``LambdaDLQ`` of NIST and HIPAA."""
    return [f"{pack}-{rule}" for pack in packs]


def _qualified(finding: str) -> str:
    """Name the finding's pack: without it the CDK reports neither what is accepted nor what is stale."""
    rule = finding.partition("[")[0]
    return finding if "::" in rule else f"{rule.partition('-')[0]}::{finding}"
