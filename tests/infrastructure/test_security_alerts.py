"""Notifications of what no one does in the ordinary course of things."""

from collections.abc import Mapping
from typing import Any

import pytest

from ops.assembly import Resource
from tests.infrastructure.arns import Reader
from tests.infrastructure.events import matches, pattern_of
from tests.infrastructure.synthesis import Synthesised, Synthesiser
from tests.infrastructure.variants import MADE

CALL = "AWS API Call via CloudTrail"
ROOT = {"type": "Root", "arn": "arn:aws:iam::333333333333:root"}
USER = {"type": "IAMUser", "arn": "arn:aws:iam::333333333333:user/alice"}
FROM_CLOUDTRAIL = ("RootUsed", "TrailChanged", "KeyEndangered", "RotationFailed")


def event(
    source: str, name: str, *, kind: str = CALL, who: object = USER, **detail: object
) -> dict[str, Any]:
    described = {"eventSource": f"{source}.amazonaws.com", "eventName": name, "userIdentity": who}
    return {
        "source": f"aws.{source}",
        "detail-type": kind,
        "detail": {"eventType": "AwsApiCall"} | described | detail,
    }


def rule(platform: Synthesised, name: str) -> Resource:
    return platform.only("AWS::Events::Rule", path=f"{name}/Rule")


def notifies(platform: Synthesised, name: str, happened: Mapping[str, Any]) -> bool:
    return matches(pattern_of(platform, rule(platform, name)), happened)


def alerts(platform: Synthesised) -> set[str]:
    """Return the names of the rules that notify the alert topic."""
    return {
        each.path.removesuffix("/Rule").rpartition("/")[2]
        for each in platform.of_type("AWS::Events::Rule")
        for target in each.get("Targets", default=())
        if target["Id"] == "alerts"
    }


def test_log_in_of_root_notifies(prod: Synthesised) -> None:
    sign_in = "AWS Console Sign In via CloudTrail"
    log_in = event("signin", "ConsoleLogin", kind=sign_in, who=ROOT, eventType="AwsConsoleSignIn")
    assert notifies(prod, "Alerts/RootUsed", log_in)
    assert not notifies(prod, "Alerts/RootUsed", event("signin", "ConsoleLogin", kind=sign_in, who=USER))


def test_calls_of_root_notify_whatever_the_service_but_not_those_on_its_behalf(prod: Synthesised) -> None:
    assert notifies(prod, "Alerts/RootUsed", event("iam", "CreateAccessKey", who=ROOT))
    assert notifies(prod, "Alerts/RootUsed", event("ec2", "RunInstances", who=ROOT))
    behalf = ROOT | {"invokedBy": "cloudformation.amazonaws.com"}
    assert not notifies(prod, "Alerts/RootUsed", event("ec2", "RunInstances", who=behalf))
    assert not notifies(
        prod, "Alerts/RootUsed", event("kms", "RotateKey", who=ROOT, eventType="AwsServiceEvent")
    )


@pytest.mark.parametrize("name", ["StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"])
def test_touching_a_trail_notifies(prod: Synthesised, name: str) -> None:
    assert notifies(prod, "Alerts/TrailChanged", event("cloudtrail", name))


def test_reading_a_trail_is_not(prod: Synthesised) -> None:
    assert not notifies(prod, "Alerts/TrailChanged", event("cloudtrail", "DescribeTrails"))


@pytest.mark.parametrize("name", ["ScheduleKeyDeletion", "DisableKey", "DisableKeyRotation"])
def test_danger_to_every_key_of_the_platform_notifies(prod: Synthesised, name: str) -> None:
    reader = Reader(prod.assembly)
    for key in prod.of_type("AWS::KMS::Key"):
        arn = reader.text(key, {"Fn::GetAtt": [key.logical_id, "Arn"]})
        assert notifies(prod, "Alerts/KeyEndangered", event("kms", name, resources=[{"ARN": arn}])), key.path
    others = "arn:aws:kms:us-east-1:333333333333:key/of-another-environment"
    assert not notifies(prod, "Alerts/KeyEndangered", event("kms", name, resources=[{"ARN": others}]))


def test_danger_to_the_key_of_the_copies_is_sent_on_from_its_region(prod: Synthesised) -> None:
    forwarding = rule(prod, "KeyEvents")
    assert forwarding.stack == "Recovery"
    (key,) = (each for each in prod.of_type("AWS::KMS::Key") if each.stack == "Recovery")
    arn = Reader(prod.assembly).text(key, {"Fn::GetAtt": [key.logical_id, "Arn"]})
    assert matches(
        pattern_of(prod, forwarding), event("kms", "ScheduleKeyDeletion", resources=[{"ARN": arn}])
    )
    (target,) = forwarding.get("Targets")
    assert target["Arn"] == "arn:aws:events:us-east-1:333333333333:event-bus/default"


def test_failed_rotation_of_a_secret_of_the_platform_notifies(prod: Synthesised) -> None:
    kind = "AWS Service Event via CloudTrail"
    watched = rule(prod, "RotationFailed").get("EventPattern", "detail", "additionalEventData", "SecretId")
    secrets = list(prod.assembly.referents(rule(prod, "RotationFailed"), watched))
    assert {each.name for each in secrets} == {"DatabaseSecret", "ValkeySecret", "SigningKeySecret"}
    for secret in secrets:
        arn = {"SecretId": Reader(prod.assembly).text(secret, {"Ref": secret.logical_id})}
        failed = event("secretsmanager", "RotationFailed", kind=kind, additionalEventData=arn)
        assert notifies(prod, "Alerts/RotationFailed", failed)
        succeeded = event("secretsmanager", "RotationSucceeded", kind=kind, additionalEventData=arn)
        assert not notifies(prod, "Alerts/RotationFailed", succeeded)


@pytest.mark.parametrize(("severity", "notified"), [(6.9, False), (7, True), (9.5, True)])
def test_threats_notify_from_the_severity_that_is_set(
    synthesise: Synthesiser, severity: float, *, notified: bool
) -> None:
    platform = synthesise("prod", MADE["create"])
    finding = {
        "source": "aws.guardduty",
        "detail-type": "GuardDuty Finding",
        "detail": {"severity": severity},
    }
    assert notifies(platform, "ThreatFound", finding) is notified
    lower = synthesise.having("prod", {"security.guardduty": "create", "security.guardduty_severity": 4})
    assert notifies(lower, "ThreatFound", finding)


def test_what_others_may_reach_notifies_while_it_is_open(platform: Synthesised) -> None:
    def finding(status: str) -> dict[str, Any]:
        kind = "Access Analyzer Finding"
        return {"source": "aws.access-analyzer", "detail-type": kind, "detail": {"status": status}}

    assert notifies(platform, "OpenToOthers", finding("ACTIVE"))
    assert not notifies(platform, "OpenToOthers", finding("ARCHIVED"))


def test_every_alert_goes_to_the_topic_and_says_what_happened(platform: Synthesised) -> None:
    for each in platform.of_type("AWS::Events::Rule"):
        for target in each.get("Targets", default=()):
            if target["Id"] == "alerts":
                (topic,) = platform.assembly.referents(each, target["Arn"])
                assert topic.name == "AlertTopic"
                sentence = target["InputTransformer"]["InputTemplate"]
                for value in target["InputTransformer"]["InputPathsMap"]:
                    assert f"<{value}>" in sentence, each.path


@pytest.mark.parametrize("trail", ["create", "existing"])
def test_what_a_trail_records_is_published_no_matter_who_made_it(synthesise: Synthesiser, trail: str) -> None:
    platform = synthesise("prod", MADE[trail])
    assert set(FROM_CLOUDTRAIL) <= alerts(platform)
    assert len(platform.of_type("AWS::CloudTrail::Trail")) == (trail == "create")


def test_without_a_trail_nothing_waits_for_what_would_never_come(synthesise: Synthesiser) -> None:
    platform = synthesise("prod", MADE["off"])
    assert not set(FROM_CLOUDTRAIL) & alerts(platform)
    assert not [each for each in platform.of_type("AWS::Events::Rule") if "KeyEvents" in each.path]


def test_root_notifies_from_regions_other_than_its_own(synthesise: Synthesiser) -> None:
    abroad = {"region": "eu-west-1"}
    platform = synthesise("dev", abroad)
    (stack,) = [each for each in platform.assembly.stacks if each.name == "gantry-dev-global"]
    assert stack.region == "us-east-1"
    (forwarding,) = (each for each in stack.resources if each.type == "AWS::Events::Rule")
    local = rule(platform, "Alerts/RootUsed")
    assert pattern_of(platform, forwarding) == pattern_of(platform, local)
    (target,) = forwarding.get("Targets")
    assert target["Arn"] == "arn:aws:events:eu-west-1:111111111111:event-bus/default"
    for overrides in ({"security.global_events": "existing"}, {"security.trail": "off"}):
        without = synthesise("dev", abroad | overrides)
        assert "gantry-dev-global" not in {each.name for each in without.assembly.stacks}


def test_forwarding_may_send_events_to_the_platforms_region_and_nothing_else(prod: Synthesised) -> None:
    allowed = [
        statement
        for policy, statement in prod.statements()
        if policy.type == "AWS::IAM::Policy" and policy.path.startswith("KeyEvents/")
    ]
    assert [(each["Action"], each["Resource"]) for each in allowed] == [
        ("events:PutEvents", "arn:aws:events:us-east-1:333333333333:event-bus/default")
    ]
