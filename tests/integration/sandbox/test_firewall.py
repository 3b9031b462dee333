"""A web ACL and the load balancer that it is associated with."""

import json
from typing import Any

from tests.integration.sandbox.emulator import Emulator

GROUP = {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}


def template(*counted: str, associated: bool = True) -> dict[str, Any]:
    overrides = [{"Name": name, "ActionToUse": {"Count": {}}} for name in counted]
    visibility = {"CloudWatchMetricsEnabled": True, "MetricName": "m", "SampledRequestsEnabled": True}
    rule = {
        "Name": "core",
        "Priority": 0,
        "OverrideAction": {"None": {}},
        "Statement": {"ManagedRuleGroupStatement": GROUP | {"RuleActionOverrides": overrides}},
        "VisibilityConfig": visibility,
    }
    group = {"Port": 80, "Protocol": "HTTP", "VpcId": "vpc-1", "TargetType": "ip"}
    resources = {
        "Balancer": {
            "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
            "Properties": {"Subnets": ["subnet-1", "subnet-2"]},
        },
        "Group": {"Type": "AWS::ElasticLoadBalancingV2::TargetGroup", "Properties": group},
        "Listener": {
            "Type": "AWS::ElasticLoadBalancingV2::Listener",
            "Properties": {
                "LoadBalancerArn": {"Ref": "Balancer"},
                "Port": 80,
                "Protocol": "HTTP",
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": {"Ref": "Group"}}],
            },
        },
        "Acl": {
            "Type": "AWS::WAFv2::WebACL",
            "Properties": {
                "Name": "acl",
                "Scope": "REGIONAL",
                "DefaultAction": {"Allow": {}},
                "Rules": [rule],
                "VisibilityConfig": visibility,
            },
        },
    }
    association = {
        "Type": "AWS::WAFv2::WebACLAssociation",
        "Properties": {"ResourceArn": {"Ref": "Balancer"}, "WebACLArn": {"Fn::GetAtt": ["Acl", "Arn"]}},
    }
    return {"Resources": resources | ({"Association": association} if associated else {})}


def blocking(emulator: Emulator) -> list[str]:
    (listener,) = json.loads((emulator.state_dir / "load_balancer.json").read_text())["listeners"]
    return list(listener["blocking_rules"])


def test_a_load_balancer_refuses_what_its_web_acl_blocks(emulator: Emulator) -> None:
    every = [
        "NoUserAgent_HEADER",
        "SizeRestrictions_BODY",
        "SizeRestrictions_Cookie_HEADER",
        "SizeRestrictions_URIPATH",
    ]
    assert emulator.create("web", template()) == "CREATE_COMPLETE"
    assert blocking(emulator) == every
    assert emulator.update("web", template("SizeRestrictions_BODY")) == "UPDATE_COMPLETE"
    assert blocking(emulator) == [each for each in every if each != "SizeRestrictions_BODY"]
    assert emulator.update("web", template("SizeRestrictions_BODY", associated=False)) == "UPDATE_COMPLETE"
    assert blocking(emulator) == []
    emulator.client("cloudformation").delete_stack(StackName="web")
