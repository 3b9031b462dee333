"""Acknowledgements of cdk-nag findings, next to the resource that they speak of."""

from collections.abc import Iterable

from aws_cdk import Acknowledgment, Stack, Validations
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


def exported_name(producer: IConstruct, value: str) -> str:
    """Return what cdk-nag calls a value of another stack in its findings: the name of the value's export.

    Parameters
    ----------
    producer
        A construct of the stack that exports the value.
    value
        An attribute of a resource of that stack, which is used in a later one.
    """
    stack = Stack.of(producer)
    name: str = stack.resolve(stack.export_value(value))["Fn::ImportValue"]
    return name


def _qualified(finding: str) -> str:
    """Name the finding's pack: without it the CDK reports neither what is accepted nor what is stale."""
    rule = finding.partition("[")[0]
    return finding if "::" in rule else f"{rule.partition('-')[0]}::{finding}"
