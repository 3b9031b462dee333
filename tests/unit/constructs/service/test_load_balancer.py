"""A load balancer that is made with no more than it needs."""

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_certificatemanager as acm
from aws_cdk.assertions import Template

from gantry.service.load_balancer import PublicLoadBalancer
from tests.unit.constructs.conftest import Parts

LISTENER = "AWS::ElasticLoadBalancingV2::Listener"


def make(parts: Parts, **options: Any) -> PublicLoadBalancer:  # noqa: ANN401 - any argument
    return PublicLoadBalancer(
        parts.stack,
        "Ingress",
        vpc=parts.vpc,
        security_group=parts.security_group,
        deregistration_delay=Duration.seconds(30),
        **options,
    )


def dimensions(made: PublicLoadBalancer) -> set[str]:
    return set(made.ingress.request_metrics.request_count().dimensions or {})


def certificate(parts: Parts) -> acm.ICertificate:
    arn = "arn:aws:acm:eu-west-1:111122223333:certificate/c"
    return acm.Certificate.from_certificate_arn(parts.stack, "Certificate", arn)


def test_it_is_protected_logs_nothing_and_serves_http(parts: Parts) -> None:
    make(parts)
    made = parts.one("AWS::ElasticLoadBalancingV2::LoadBalancer")
    attributes = {each["Key"]: each["Value"] for each in made["Properties"]["LoadBalancerAttributes"]}
    assert attributes["deletion_protection.enabled"] == "true"
    assert attributes["access_logs.s3.enabled"] == "false"
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert made["DeletionPolicy"] == "Retain"
    assert parts.one(LISTENER)["Properties"]["Port"] == 80


def test_certificate_turns_http_into_a_redirect(parts: Parts) -> None:
    make(parts, certificate=certificate(parts))
    listeners = Template.from_stack(parts.stack).find_resources(LISTENER)
    actions = {
        each["Properties"]["Port"]: each["Properties"]["DefaultActions"][0]["Type"]
        for each in listeners.values()
    }
    assert actions == {80: "redirect", 443: "forward"}


def test_requests_are_measured_where_they_are_whichever_group_serves(parts: Parts) -> None:
    made = make(parts)
    assert list(made.ingress.target_groups) == [""]
    assert dimensions(made) == {"LoadBalancer", "TargetGroup"}


def test_two_groups_are_measured_at_the_load_balancer(parts: Parts) -> None:
    made = make(parts, alternate=True)
    assert list(made.ingress.target_groups) == ["", "alternate"]
    assert dimensions(made) == {"LoadBalancer"}
    rule = parts.one("AWS::ElasticLoadBalancingV2::ListenerRule")["Properties"]
    weights = [each["Weight"] for each in rule["Actions"][0]["ForwardConfig"]["TargetGroups"]]
    assert weights == [100, 0]
