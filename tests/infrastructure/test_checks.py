"""What others' rules say of the templates: cdk-nag's on every environment, and all of cfn-lint's."""

import pytest
from cfnlint.config import ConfigMixIn  # type: ignore[import-untyped]  # has no annotations
from cfnlint.runner import Runner  # type: ignore[import-untyped]

from gantry.nag import shared
from ops.security.findings import pack_of
from stacks.exemptions import EXEMPTIONS
from tests.infrastructure.checking import Checker
from tests.infrastructure.synthesis import ENVIRONMENTS, Synthesised

# Rules of cfn-lint that are not followed, and why.
NOT_FOLLOWED = {
    "W3005": "an L2 of the CDK depends on a role as a whole, with its policies, and names the role beside",
}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_solutions_pack_finds_nothing(environment: str, checked: Checker) -> None:
    failed = [finding.id for finding in checked(environment).failed]
    assert [finding for finding in failed if pack_of(finding) == "AwsSolutions"] == []


@pytest.mark.parametrize("environment", ["prod", "staging"])
def test_no_pack_finds_anything_where_data_is_kept(environment: str, checked: Checker) -> None:
    assert checked(environment).failed == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_acknowledged_is_still_found(environment: str, checked: Checker) -> None:
    assert checked(environment).stale == ()


def test_what_is_exempt_is_still_found(checked: Checker) -> None:
    found = {
        finding.id
        for outcome in checked("prod").outcomes
        for finding in outcome.acknowledged
        if finding.exempt
    }
    assert found == {name for each in EXEMPTIONS for name in shared(each.rule, each.packs)}


def test_every_rule_of_cfn_lint_is_followed(platform: Synthesised) -> None:
    templates = sorted(str(file) for file in platform.assembly.directory.glob("*.template.json"))
    config = ConfigMixIn(
        templates=templates,
        regions=sorted({stack.region for stack in platform.assembly.stacks}),
        include_checks=["I"],
        ignore_checks=list(NOT_FOLLOWED),
    )
    found = [str(match) for match in Runner(config).run()]
    assert found == []
