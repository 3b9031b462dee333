"""What a synthesis reports of its packs: findings, acknowledgements, and the resources looked at."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.console import CliError
from ops.security.catalogue import PACKS

_ACKNOWLEDGED = "aws:cdk:acknowledged-rules"
# An acknowledgement that names no pack is filed by the CDK under its own annotations: cdk-nag then keeps the
# finding to itself, and only the acknowledgement is left to be reported.
_UNQUALIFIED = "annotation"


@dataclass(frozen=True)
class Finding:
    """A rule that a resource does not meet; with a reason when that is accepted, for it or for all."""

    rule: str
    id: str
    resource: str
    description: str
    reason: str | None = None
    exempt: bool = False


@dataclass(frozen=True)
class Acknowledgement:
    """A finding that is accepted on a construct and on all that it holds."""

    pack: str
    id: str
    construct: str
    reason: str
    qualified: bool


def rule_of(finding: str) -> str:
    """Return the rule of a finding's id: `AwsSolutions-IAM5[Resource::*]` is one of `AwsSolutions-IAM5`."""
    return finding.partition("[")[0]


def pack_of(finding: str) -> str:
    """Return the pack of a finding's id."""
    return finding.partition("-")[0]


def findings(directory: Path) -> Iterator[Finding]:
    """Yield what the packs found in an assembly, and what of it the CDK reports as acknowledged.

    Raises
    ------
    CliError
        When a pack could not run.
    """
    report = json.loads((directory / "validation-report.json").read_text(encoding="utf-8"))
    for plugin in report["pluginReports"]:
        if plugin["pluginName"] not in PACKS:
            continue
        failure = plugin.get("metadata", {}).get("error")
        if failure:
            raise CliError(f"The pack {plugin['pluginName']} could not run: {failure}")
        for violation in plugin["violations"]:
            yield from _findings(violation, None)
        for violation in plugin.get("suppressedViolations") or ():
            # A reason on the app itself, whose path is empty, is there for all resources.
            exempt = not violation.get("acknowledgedAt")
            yield from _findings(violation, violation.get("reason", ""), exempt=exempt)


def _findings(violation: Mapping[str, Any], reason: str | None, *, exempt: bool = False) -> Iterator[Finding]:
    name, description = violation["ruleName"], violation["description"]
    for construct in violation["violatingConstructs"]:
        yield Finding(rule_of(name), name, construct["constructPath"], description, reason, exempt)


def acknowledgements(directory: Path) -> Iterator[Acknowledgement]:
    """Yield the acknowledgements of findings on the constructs of an assembly's stacks."""
    for file in sorted(directory.glob("*.metadata.json")):
        for construct, entries in json.loads(file.read_text(encoding="utf-8")).items():
            for entry in entries:
                if entry["type"] == _ACKNOWLEDGED:
                    for name, reason in entry["data"].items():
                        yield from _acknowledgement(construct.removeprefix("/"), name, reason)


def _acknowledgement(construct: str, name: str, reason: str) -> Iterator[Acknowledgement]:
    namespace, _, finding = name.partition("::")
    if pack_of(finding) in PACKS:
        qualified = namespace.lower() != _UNQUALIFIED
        yield Acknowledgement(pack_of(finding), finding, construct, reason, qualified)


def resources_by_class(directory: Path) -> Counter[str]:
    """Count the constructs of an assembly by their class."""
    found: Counter[str] = Counter()

    def visit(node: Mapping[str, Any]) -> None:
        found[node.get("constructInfo", {}).get("fqn", "")] += 1
        for child in node.get("children", {}).values():
            visit(child)

    visit(json.loads((directory / "tree.json").read_text(encoding="utf-8"))["tree"])
    return found
