"""What the security check makes of cdk-nag's own findings on a small app."""

import pytest
from aws_cdk import Acknowledgment, App, Stack, Validations
from aws_cdk import aws_s3 as s3

import app as gantry_app
from ops.security.assessment import Assessment, Status, assess
from stacks.settings import SettingsError


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    """Three buckets without access logs, acknowledged by pack and finding, by finding alone, not at all."""
    outdir = tmp_path_factory.mktemp("nag") / "assembly"
    app = App(outdir=str(outdir), context={"nag:packs": "all"})
    stack = Stack(app, "Buckets")
    finding = "AwsSolutions-S1"
    for name, identity in (("Named", f"AwsSolutions::{finding}"), ("Plain", finding), ("Open", None)):
        bucket = s3.Bucket(stack, name, enforce_ssl=True)
        if identity is not None:
            Validations.of(bucket).acknowledge(Acknowledgment(id=identity, reason=f"{name} is accepted."))
    Validations.of(stack).acknowledge(
        Acknowledgment(id="AwsSolutions::AwsSolutions-SMG4", reason="none here")
    )
    Validations.of(app).add_plugins(*gantry_app.packs_of(app))
    with pytest.raises(RuntimeError, match="AwsSolutions-S1"):
        app.synth()
    return assess(outdir, environment="test")


def test_findings_are_distinguished_from_acknowledged_ones(found: Assessment) -> None:
    outcome = next(each for each in found.outcomes if each.rule.id == "AwsSolutions-S1")
    assert outcome.status is Status.FAILED
    assert outcome.resources == 3
    assert [each.resource for each in outcome.failed] == ["Buckets/Open/Resource"]
    assert {(each.resource, each.reason) for each in outcome.acknowledged} == {
        ("Buckets/Named/Resource", "Named is accepted."),
        ("Buckets/Plain", "Plain is accepted."),
    }


def test_acknowledgement_that_accepts_nothing_is_stale(found: Assessment) -> None:
    assert [(each.id, each.construct) for each in found.stale] == [("AwsSolutions-SMG4", "Buckets")]


def test_all_four_packs_ran(found: Assessment) -> None:
    counts = {pack: found.counts(pack) for pack in gantry_app.PACKS}
    assert all(each[Status.FAILED] for each in counts.values())
    assert all(each[Status.NOT_APPLICABLE] > each[Status.PASSED] > 0 for each in counts.values())


def test_packs_are_chosen_by_context() -> None:
    assert [pack.name for pack in gantry_app.packs_of(App())] == ["AwsSolutions"]
    chosen = App(context={"nag:packs": "PCI.DSS.321,HIPAA.Security"})
    assert [pack.name for pack in gantry_app.packs_of(chosen)] == ["PCI.DSS.321", "HIPAA.Security"]


def test_unknown_pack_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        SettingsError, match=r"nag:packs = 'SOC2': there are all, AwsSolutions, NIST\.800\.53\.R5"
    ):
        gantry_app.packs_of(App(context={"nag:packs": "SOC2"}))
