"""Puts rules and findings together: what of each pack is met, acknowledged or failed."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path

from ops.security.catalogue import PACKS, Rule, rules
from ops.security.findings import (
    Acknowledgement,
    Finding,
    acknowledgements,
    findings,
    pack_of,
    resources_by_class,
    rule_of,
)


class Status(StrEnum):
    """How a rule came out; the worst of its resources decides."""

    FAILED = "failed"
    EXEMPT = "exempt"
    ACKNOWLEDGED = "acknowledged"
    PASSED = "passed"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Outcome:
    """A rule, how it came out, how many resources are of the kind that it looks at, and what was found."""

    rule: Rule
    status: Status
    resources: int
    failed: tuple[Finding, ...]
    acknowledged: tuple[Finding, ...]


@dataclass(frozen=True)
class Assessment:
    """How an environment meets the packs; `stale` acknowledgements accept what is no longer found."""

    environment: str
    outcomes: tuple[Outcome, ...]
    stale: tuple[Acknowledgement, ...]

    def of_pack(self, pack: str) -> list[Outcome]:
        """Return the outcomes of a pack's rules, the worst first."""
        order = list(Status)
        mine = [outcome for outcome in self.outcomes if outcome.rule.pack == pack]
        return sorted(mine, key=lambda outcome: (order.index(outcome.status), outcome.rule.id))

    def counts(self, pack: str) -> dict[Status, int]:
        """Return how many rules of a pack came out how."""
        counted = Counter(outcome.status for outcome in self.of_pack(pack))
        return {status: counted[status] for status in Status}

    def controls(self, pack: str) -> dict[str, Status]:
        """Return how the controls that a pack's rules check came out: each as the worst of its rules."""
        worst: dict[str, Status] = {}
        for outcome in self.of_pack(pack):
            for control in outcome.rule.controls:
                worst.setdefault(control, outcome.status)
        return dict(sorted(worst.items()))

    @property
    def failed(self) -> list[Finding]:
        """Every finding that is not acknowledged."""
        return [finding for outcome in self.outcomes for finding in outcome.failed]


def assess(directory: Path, *, environment: str, packs: Collection[str] = PACKS) -> Assessment:
    """Assess a synthesised assembly.

    Parameters
    ----------
    directory
        The assembly.
    environment
        Its name.
    packs
        The packs that checked it: what is acknowledged of others is not stale, only not looked for.

    Raises
    ------
    CliError
        When a pack could not run.
    """
    return assessment(
        environment,
        list(findings(directory)),
        [each for each in acknowledgements(directory) if each.pack in packs],
        resources_by_class(directory),
    )


def assessment(
    environment: str,
    found: Iterable[Finding],
    acknowledged: Iterable[Acknowledgement],
    resources: Mapping[str, int],
) -> Assessment:
    """Put findings and acknowledgements to the rules of all packs."""
    failed: dict[str, list[Finding]] = defaultdict(list)
    accepted: dict[str, list[Finding]] = defaultdict(list)
    for finding in found:
        (failed if finding.reason is None else accepted)[finding.rule].append(finding)
    stale: list[Acknowledgement] = []
    for each in acknowledged:
        rule = rule_of(each.id)
        if not each.qualified:
            accepted[rule].append(Finding(rule, each.id, each.construct, "", each.reason))
        elif not any(_covers(each, finding) for finding in accepted[rule]):
            stale.append(each)
    found_rules = {
        each.rule: _unlisted(each) for each in [*chain(*failed.values()), *chain(*accepted.values())]
    }
    outcomes = (
        _outcome(rule, resources, failed.get(rule.id, []), accepted.get(rule.id, []))
        for rule in (found_rules | dict(rules())).values()
    )
    return Assessment(environment, tuple(outcomes), tuple(stale))


def _unlisted(finding: Finding) -> Rule:
    """Return a rule for a finding: should the list of rules lack it, the finding must not get lost."""
    return Rule(finding.rule, pack_of(finding.id), "error", finding.description, "", (), frozenset())


def _covers(acknowledgement: Acknowledgement, finding: Finding) -> bool:
    return finding.id == acknowledgement.id and f"{finding.resource}/".startswith(
        f"{acknowledgement.construct}/"
    )


def _outcome(
    rule: Rule, resources: Mapping[str, int], failed: list[Finding], accepted: list[Finding]
) -> Outcome:
    count = sum(resources.get(each, 0) for each in rule.classes)
    if failed:
        status = Status.FAILED
    elif any(finding.exempt for finding in accepted):
        status = Status.EXEMPT
    elif accepted:
        status = Status.ACKNOWLEDGED
    else:
        status = Status.PASSED if count else Status.NOT_APPLICABLE
    return Outcome(rule, status, count, tuple(failed), tuple(accepted))


def reasons(outcome: Outcome) -> Iterator[tuple[str, list[Finding]]]:
    """Yield each reason for which findings of a rule are acknowledged, with the findings."""
    grouped: dict[str, list[Finding]] = defaultdict(list)
    for finding in outcome.acknowledged:
        grouped[finding.reason or ""].append(finding)
    yield from grouped.items()
