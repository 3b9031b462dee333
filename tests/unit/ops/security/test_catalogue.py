"""The rules of cdk-nag, as its code has them."""

import re
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from ops.security.catalogue import PACKS, TITLES, rules


def applied(file: str) -> int:
    """How many rules a pack's code applies."""
    found = find_spec("cdk_nag")
    assert found is not None
    assert found.origin is not None
    (archive,) = Path(found.origin).parent.glob("_jsii/*.tgz")
    with tarfile.open(archive) as tar:
        stream = tar.extractfile(f"package/lib/packs/{file}.js")
        assert stream is not None
        return len(re.findall(r"\.applyRule\(", stream.read().decode().partition("\n//# source")[0]))


@pytest.mark.parametrize(
    ("pack", "file"),
    [
        ("AwsSolutions", "aws-solutions"),
        ("NIST.800.53.R5", "nist-800-53-r5"),
        ("HIPAA.Security", "hipaa-security"),
        ("PCI.DSS.321", "pci-dss-321"),
    ],
)
def test_no_rule_of_a_pack_is_missed(pack: str, file: str) -> None:
    assert sum(rule.pack == pack for rule in rules().values()) == applied(file) > 50


def test_every_rule_says_what_it_is_about_and_what_it_looks_at() -> None:
    for rule in rules().values():
        assert rule.title
        assert rule.explanation
        assert rule.classes
        assert rule.level in {"error", "warn"}
        assert bool(rule.controls) == (rule.pack != "AwsSolutions")


def test_controls_are_separated_from_the_sentence() -> None:
    rule = rules()["NIST.800.53.R5-ALBWAFEnabled"]
    assert rule.title == "The ALB is not associated with AWS WAFv2 web ACL"
    assert rule.controls == ("AC-4(21)",)
    assert rule.classes == {"aws-cdk-lib.aws_elasticloadbalancingv2.CfnLoadBalancer"}


def test_every_pack_has_a_title() -> None:
    assert TITLES.keys() == set(PACKS)
