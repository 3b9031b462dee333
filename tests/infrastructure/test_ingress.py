"""The way to the service: HTTPS, its name, the load balancer, the firewall, the accelerator."""

from typing import Any

import pytest

from ops.assembly import Resource
from tests.infrastructure.synthesis import Synthesised, Synthesiser
from tests.infrastructure.variants import (
    ACCELERATOR,
    CERTIFICATE,
    DOMAIN,
    JOINED,
    LISTENER,
    SERVICE_NAME,
)

# The zones of Route 53 that alias records to accelerators name, in every region.
ACCELERATORS = "Z2BJ6XQ5FK7U4H"


def listeners(platform: Synthesised) -> dict[int, dict[str, Any]]:
    found = platform.of_type("AWS::ElasticLoadBalancingV2::Listener")
    return {each.get("Port"): dict(each.properties) for each in found}


def attributes(platform: Synthesised) -> dict[str, Any]:
    balancer = platform.only("AWS::ElasticLoadBalancingV2::LoadBalancer")
    return {each["Key"]: each["Value"] for each in balancer.get("LoadBalancerAttributes")}


def service_url(platform: Synthesised) -> str:
    value = platform.template("compute")["Outputs"]["ServiceUrl"]["Value"]
    return value if isinstance(value, str) else str(value["Fn::Join"][1][0])


def record(platform: Synthesised) -> Resource:
    return platform.only("AWS::Route53::RecordSet")


def alias_target(platform: Synthesised) -> str:
    (target,) = {
        each.type
        for each in platform.assembly.referents(record(platform), record(platform).get("AliasTarget"))
    }
    return target


def cookie_secure(platform: Synthesised) -> str:
    (container,) = platform.only("AWS::ECS::TaskDefinition").get("ContainerDefinitions")
    variables = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    return str(variables["COOKIE_SECURE"])


def test_with_a_certificate_everything_is_https(prod: Synthesised) -> None:
    found = listeners(prod)
    (redirect,) = found[80]["DefaultActions"]
    assert redirect["RedirectConfig"] | {"Port": "443", "Protocol": "HTTPS"} == redirect["RedirectConfig"]
    assert found[443]["Protocol"] == "HTTPS"
    assert "TLS13-1-2" in found[443]["SslPolicy"]
    assert [each["CertificateArn"] for each in found[443]["Certificates"]] == [
        prod.settings.load_balancer.certificate_arn
    ]
    assert cookie_secure(prod) == "true"


def test_without_a_certificate_only_http_is_served(sandbox: Synthesised) -> None:
    assert list(listeners(sandbox)) == [80]
    assert cookie_secure(sandbox) == "false"


def test_certificate_turns_https_on_anywhere(synthesise: Synthesiser) -> None:
    platform = synthesise.having("sandbox", {"load_balancer.certificate_arn": CERTIFICATE})
    assert sorted(listeners(platform)) == [80, 443]
    assert service_url(platform).startswith("https://")


def test_name_gets_a_certificate_that_its_zone_validates(synthesise: Synthesiser) -> None:
    platform = synthesise.having("sandbox", DOMAIN | {"domain.record": True})
    certificate = platform.only("AWS::CertificateManager::Certificate")
    assert (certificate.get("DomainName"), certificate.get("ValidationMethod")) == (SERVICE_NAME, "DNS")
    (validation,) = certificate.get("DomainValidationOptions")
    assert validation["HostedZoneId"] == DOMAIN["domain.hosted_zone_id"]
    (listener,) = [
        each for each in platform.of_type("AWS::ElasticLoadBalancingV2::Listener") if each.get("Port") == 443
    ]
    assert certificate in list(platform.assembly.referents(listener, listener.get("Certificates")))
    assert cookie_secure(platform) == "true"


def test_name_whose_record_is_elsewhere_gets_a_certificate_and_no_record(synthesise: Synthesiser) -> None:
    """A standby's could not be created while the record of the lost region still exists."""
    platform = synthesise.having("sandbox", DOMAIN | {"domain.record": False})
    assert platform.of_type("AWS::CertificateManager::Certificate")
    assert not platform.of_type("AWS::Route53::RecordSet")
    url = platform.template("compute")["Outputs"]["ServiceUrl"]["Value"]
    assert SERVICE_NAME not in str(url), "it would be the other environment that answers"
    assert "LoadBalancer" in str(url)


def test_given_certificate_is_used_for_the_name_too(synthesise: Synthesiser) -> None:
    platform = synthesise.having("sandbox", DOMAIN | {"load_balancer.certificate_arn": CERTIFICATE})
    assert not platform.of_type("AWS::CertificateManager::Certificate")
    assert listeners(platform)[443]["Certificates"] == [{"CertificateArn": CERTIFICATE}]
    assert alias_target(platform) == "AWS::ElasticLoadBalancingV2::LoadBalancer"


def test_name_is_an_alias_of_the_load_balancer(synthesise: Synthesiser) -> None:
    platform = synthesise.having("sandbox", DOMAIN | {"domain.record": True})
    assert (record(platform).get("Name"), record(platform).get("Type")) == (f"{SERVICE_NAME}.", "A")
    assert record(platform).get("HostedZoneId") == DOMAIN["domain.hosted_zone_id"]
    assert alias_target(platform) == "AWS::ElasticLoadBalancingV2::LoadBalancer"
    assert service_url(platform) == f"https://{SERVICE_NAME}"


def test_without_a_name_there_is_nothing_of_route_53_and_acm(prod: Synthesised) -> None:
    assert not prod.of_type("AWS::Route53::RecordSet", "AWS::CertificateManager::Certificate")


def test_load_balancer_drops_what_is_malformed(platform: Synthesised) -> None:
    assert attributes(platform)["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert attributes(platform)["routing.http.desync_mitigation_mode"] == "defensive"


def test_requests_are_not_logged_where_the_setting_says_so(synthesise: Synthesiser) -> None:
    """Said out loud: the load balancer would keep an attribute that an update leaves out."""
    off = attributes(synthesise.having("sandbox", {"load_balancer.access_logs": False}))
    assert off["access_logs.s3.enabled"] == "false"
    assert "access_logs.s3.bucket" not in off


@pytest.mark.parametrize("overrides", [{"load_balancer.access_logs": False}, ACCELERATOR, JOINED])
def test_earlier_layers_go_on_exporting_what_the_deployed_layer_imports(
    synthesise: Synthesiser, overrides: dict[str, object]
) -> None:
    """They deploy first, and CloudFormation refuses to take away an export that is still imported."""
    before, after = synthesise("sandbox"), synthesise("sandbox", overrides)
    for layer in ("state", "network", "data"):
        assert set(before.template(layer)["Outputs"]) <= set(after.template(layer)["Outputs"])


def test_firewall_is_in_front_of_the_load_balancer(platform: Synthesised) -> None:
    association = platform.only("AWS::WAFv2::WebACLAssociation")
    ends = {each.type for each in platform.assembly.referents(association)}
    assert ends == {"AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::WAFv2::WebACL"}


def test_firewall_limits_the_rate_of_an_address_as_set(synthesise: Synthesiser) -> None:
    platform = synthesise.having("sandbox", {"firewall.requests_per_five_minutes": 123})
    rules = {rule["Name"]: rule for rule in platform.only("AWS::WAFv2::WebACL").get("Rules")}
    limit = rules["rate-limit"]["Statement"]["RateBasedStatement"]
    assert (limit["Limit"], limit["EvaluationWindowSec"], limit["AggregateKeyType"]) == (123, 300, "IP")
    assert "AWSManagedRulesCommonRuleSet" in rules


def test_firewall_blocks_what_its_managed_rules_find(platform: Synthesised) -> None:
    rules = platform.only("AWS::WAFv2::WebACL").get("Rules")
    assert len({rule["Priority"] for rule in rules}) == len(rules)
    managed = [rule for rule in rules if "ManagedRuleGroupStatement" in rule["Statement"]]
    assert len(managed) == 4
    assert all(rule["OverrideAction"] == {"None": {}} for rule in managed)
    assert overrides(platform) == {"SizeRestrictions_BODY": {"Count": {}}}


def overrides(platform: Synthesised) -> dict[str, object]:
    return {
        override["Name"]: override["ActionToUse"]
        for rule in platform.only("AWS::WAFv2::WebACL").get("Rules")
        for override in rule["Statement"].get("ManagedRuleGroupStatement", {}).get("RuleActionOverrides", ())
    }


LISTS: dict[str, object] = {
    "firewall.counted_rules": ["SQLi_BODY", "NoUserAgent_HEADER"],
    "firewall.allowed_addresses": ["198.51.100.0/24"],
    "firewall.blocked_addresses": ["203.0.113.7/32"],
}
# https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
# https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statements-list.html
CAPACITY = {
    "AWSManagedRulesAmazonIpReputationList": 25, "AWSManagedRulesKnownBadInputsRuleSet": 200,
    "AWSManagedRulesCommonRuleSet": 700, "AWSManagedRulesSQLiRuleSet": 200,
    "IPSetReferenceStatement": 1, "RateBasedStatement": 2,
}  # fmt: skip


def test_firewall_asks_who_before_what_and_costs_no_more_than_the_basic_price(
    synthesise: Synthesiser,
) -> None:
    """Up to 1500 capacity units cost nothing more: https://aws.amazon.com/waf/pricing/."""
    platform = synthesise.having("sandbox", LISTS)
    rules = sorted(platform.only("AWS::WAFv2::WebACL").get("Rules"), key=lambda rule: rule["Priority"])
    assert [(rule["Name"], rule.get("Action")) for rule in rules[:3]] == [
        ("allowed-addresses", {"Allow": {}}),
        ("blocked-addresses", {"Block": {}}),
        ("rate-limit", {"Block": {}}),
    ]
    sets = {each.get("Name"): each.get("Addresses") for each in platform.of_type("AWS::WAFv2::IPSet")}
    assert sets == {
        "gantry-sandbox-allowed-addresses": ["198.51.100.0/24"],
        "gantry-sandbox-blocked-addresses": ["203.0.113.7/32"],
    }
    assert overrides(platform) == {"NoUserAgent_HEADER": {"Count": {}}, "SQLi_BODY": {"Count": {}}}
    used = [
        CAPACITY[statement["Name"] if kind == "ManagedRuleGroupStatement" else kind]
        for rule in rules
        for kind, statement in rule["Statement"].items()
    ]
    assert len(used) == 7
    assert sum(used) <= 1500


def accelerator_types(platform: Synthesised) -> set[str]:
    return {
        each.type.rpartition("::")[2]
        for each in platform.assembly.resources
        if each.type.startswith("AWS::GlobalAccelerator::")
    }


def test_there_is_no_accelerator_by_default(platform: Synthesised) -> None:
    assert accelerator_types(platform) == set()


def test_accelerator_forwards_to_the_load_balancer_and_keeps_addresses(synthesise: Synthesiser) -> None:
    """The firewall counts requests by address, and it sees the one that the load balancer sees."""
    platform = synthesise.having("sandbox", ACCELERATOR)
    group = platform.only("AWS::GlobalAccelerator::EndpointGroup")
    assert (group.get("EndpointGroupRegion"), group.get("TrafficDialPercentage")) == ("us-east-1", 100)
    (endpoint,) = group.get("EndpointConfigurations")
    assert endpoint["ClientIPPreservationEnabled"] is True
    (target,) = platform.assembly.referents(group, endpoint["EndpointId"])
    assert target.type == "AWS::ElasticLoadBalancingV2::LoadBalancer"
    listener = platform.only("AWS::GlobalAccelerator::Listener")
    assert {each["FromPort"] for each in listener.get("PortRanges")} == set(listeners(platform))


def test_name_is_an_alias_of_the_accelerator_where_there_is_one(synthesise: Synthesiser) -> None:
    platform = synthesise.having("sandbox", ACCELERATOR)
    assert alias_target(platform) == "AWS::GlobalAccelerator::Accelerator"
    assert record(platform).get("AliasTarget", "HostedZoneId") == ACCELERATORS
    assert service_url(platform) == f"https://{SERVICE_NAME}"


def test_accelerator_without_a_name_is_the_services_address(synthesise: Synthesiser) -> None:
    platform = synthesise("sandbox", {"accelerator.mode": "create"})
    output = platform.template("compute")["Outputs"]["ServiceUrl"]["Value"]
    accelerator = platform.only("AWS::GlobalAccelerator::Accelerator")
    assert {"Fn::GetAtt": [accelerator.logical_id, "DnsName"]} in output["Fn::Join"][1]


def test_flow_logs_go_where_the_bucket_lets_them(synthesise: Synthesiser) -> None:
    platform = synthesise.having("sandbox", ACCELERATOR)
    accelerator = platform.only("AWS::GlobalAccelerator::Accelerator")
    assert accelerator.get("FlowLogsEnabled") is True
    (bucket,) = platform.assembly.referents(accelerator, accelerator.get("FlowLogsS3Bucket"))
    assert bucket.name == "DeliveryBucket"
    policy = platform.only("AWS::S3::BucketPolicy", path="DeliveryBucket/Policy")
    statements = {s.get("Sid"): s for s in policy.get("PolicyDocument", "Statement")}
    write = statements["FlowLogsWrite"]
    assert write["Principal"] == {"Service": "delivery.logs.amazonaws.com"}
    account = platform.settings.account
    assert write["Condition"]["StringEquals"]["aws:SourceAccount"] == account
    prefix = accelerator.get("FlowLogsS3Prefix")
    assert write["Resource"]["Fn::Join"][1][1] == f"/{prefix}/AWSLogs/{account}/*"
    assert statements["FlowLogsCheckAcl"]["Action"] == "s3:GetBucketAcl"


def test_without_an_accelerator_no_one_may_deliver_flow_logs(platform: Synthesised) -> None:
    policy = platform.only("AWS::S3::BucketPolicy", path="DeliveryBucket/Policy")
    assert "delivery.logs" not in str(policy.get("PolicyDocument"))


def test_secondary_region_adds_itself_to_the_accelerator_of_the_primary(synthesise: Synthesiser) -> None:
    primary = synthesise.having("sandbox", ACCELERATOR)
    output = primary.template("compute")["Outputs"]["AcceleratorListenerArn"]["Value"]
    listener = primary.only("AWS::GlobalAccelerator::Listener")
    assert output == {"Fn::GetAtt": [listener.logical_id, "ListenerArn"]}
    restored = {"aurora.restore_from_snapshot": "arn:aws:rds:us-east-1:000000000000:cluster-snapshot:copy"}
    secondary = synthesise("sandbox", JOINED | restored | {"accelerator.traffic_dial_percent": 30})
    assert accelerator_types(secondary) == {"EndpointGroup"}
    group = secondary.only("AWS::GlobalAccelerator::EndpointGroup")
    assert (group.get("ListenerArn"), group.get("TrafficDialPercentage")) == (LISTENER, 30)


def test_secondary_region_proves_the_name_and_leaves_its_record_to_the_primary(
    synthesise: Synthesiser,
) -> None:
    secondary = synthesise("sandbox", JOINED)
    assert secondary.of_type("AWS::CertificateManager::Certificate")
    assert not secondary.of_type("AWS::Route53::RecordSet")
    assert service_url(secondary) == f"https://{SERVICE_NAME}"


@pytest.mark.parametrize("overrides", [JOINED, ACCELERATOR | {"accelerator.traffic_dial_percent": 0}])
def test_region_at_0_cannot_get_traffic_even_in_a_failover(
    synthesise: Synthesiser, overrides: dict[str, object]
) -> None:
    """An accelerator ignores the dial when the other regions are unhealthy; it cannot ignore an absence."""
    assert "EndpointGroup" not in accelerator_types(synthesise("sandbox", overrides))
