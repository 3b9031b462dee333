"""How deployments replace tasks: what each strategy needs, and that no switch of it replaces anything."""

import json
from typing import Any

import pytest

from ops.assembly import Resource
from tests.aws.cloudwatch import Alarm
from tests.infrastructure.synthesis import Synthesised, Synthesiser, as_list
from tests.infrastructure.variants import PREPARED

SHIFTING: dict[str, dict[str, object]] = {
    strategy: PREPARED | {"deployment.strategy": strategy} for strategy in ("blue_green", "linear", "canary")
}


def configuration(platform: Synthesised) -> dict[str, Any]:
    found = platform.only("AWS::ECS::Service").get("DeploymentConfiguration")
    assert isinstance(found, dict)
    return found


def balancer(platform: Synthesised) -> dict[str, Any]:
    (only,) = platform.only("AWS::ECS::Service").get("LoadBalancers")
    assert isinstance(only, dict)
    return only


def resources(platform: Synthesised) -> dict[str, Any]:
    found = platform.template("compute")["Resources"]
    assert isinstance(found, dict)
    return found


def infrastructure_role(platform: Synthesised) -> tuple[Resource, Resource]:
    role = platform.only("AWS::IAM::Role", path="TrafficShiftRole")
    policy = platform.only("AWS::IAM::Policy", path="TrafficShiftRole")
    return role, policy


def test_rolling_needs_one_target_group_and_has_the_circuit_breaker(prod: Synthesised) -> None:
    assert configuration(prod)["Strategy"] == "ROLLING"
    assert configuration(prod)["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert "AdvancedConfiguration" not in balancer(prod)
    assert len(prod.of_type("AWS::ElasticLoadBalancingV2::TargetGroup")) == 1
    assert not prod.of_type("AWS::ElasticLoadBalancingV2::ListenerRule")


@pytest.mark.parametrize("strategy", SHIFTING)
def test_strategies_that_move_traffic_bake_and_have_the_circuit_breaker_too(
    synthesise: Synthesiser, strategy: str
) -> None:
    found = configuration(synthesise.having("prod", SHIFTING[strategy]))
    assert found["Strategy"] == strategy.upper()
    assert found["BakeTimeInMinutes"] == 10
    assert found["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert (found["Alarms"]["Enable"], found["Alarms"]["Rollback"]) == (True, True)


def test_steps_are_those_of_the_strategy(synthesise: Synthesiser) -> None:
    steps: dict[str, object] = {"deployment.step_percent": 20}
    canary = configuration(synthesise.having("prod", SHIFTING["canary"] | steps))
    linear = configuration(synthesise.having("prod", SHIFTING["linear"] | steps))
    assert canary["CanaryConfiguration"] == {"CanaryPercent": 20, "CanaryBakeTimeInMinutes": 60}
    assert linear["LinearConfiguration"] == {"StepPercent": 20, "StepBakeTimeInMinutes": 7}
    assert "LinearConfiguration" not in canary
    assert "CanaryConfiguration" not in linear


def test_rule_sends_everything_to_the_group_that_a_rolling_service_uses(synthesise: Synthesiser) -> None:
    platform = synthesise("prod", PREPARED)
    rule = platform.only("AWS::ElasticLoadBalancingV2::ListenerRule")
    (action,) = rule.get("Actions")
    weights = {
        next(platform.assembly.referents(rule, group)).name: group["Weight"]
        for group in action["ForwardConfig"]["TargetGroups"]
    }
    assert weights == {"Targets": 100, "AlternateTargets": 0}
    (condition,) = rule.get("Conditions")
    assert condition["PathPatternConfig"] == {"Values": ["*"]}
    (listener,) = platform.assembly.referents(rule, rule.get("ListenerArn"))
    assert listener.get("Port") == 443


def test_both_target_groups_ask_the_same_of_a_task(synthesise: Synthesiser) -> None:
    groups = synthesise("prod", PREPARED).of_type("AWS::ElasticLoadBalancingV2::TargetGroup")
    first, second = (dict(group.properties) for group in groups)
    assert first == second


def test_service_knows_second_group_rule_and_role(synthesise: Synthesiser) -> None:
    platform = synthesise("prod", PREPARED)
    service, advanced = platform.only("AWS::ECS::Service"), balancer(platform)["AdvancedConfiguration"]
    named = {key: next(platform.assembly.referents(service, value)).name for key, value in advanced.items()}
    assert named == {
        "AlternateTargetGroupArn": "AlternateTargets",
        "ProductionListenerRule": "Production",
        "RoleArn": "TrafficShiftRole",
    }


def test_ecs_may_change_that_one_rule_and_register_in_those_two_groups(synthesise: Synthesiser) -> None:
    platform = synthesise("prod", PREPARED)
    role, policy = infrastructure_role(platform)
    (trust,) = role.get("AssumeRolePolicyDocument", "Statement")
    assert trust["Principal"] == {"Service": "ecs.amazonaws.com"}
    changing = {
        action.partition(":")[2]: {each.name for each in platform.assembly.referents(policy, s["Resource"])}
        for s in policy.get("PolicyDocument", "Statement")
        for action in as_list(s["Action"])
        if ":Describe" not in action
    }
    groups = {"Targets", "AlternateTargets"}
    assert changing == {
        "RegisterTargets": groups,
        "DeregisterTargets": groups,
        "ModifyRule": {"Production"},
    }


def test_role_has_its_permissions_before_the_service_uses_them(synthesise: Synthesiser) -> None:
    platform = synthesise("prod", PREPARED)
    _, policy = infrastructure_role(platform)
    assert policy.logical_id in platform.only("AWS::ECS::Service").depends_on


def test_alarms_watch_both_groups(synthesise: Synthesiser) -> None:
    platform = synthesise("prod", SHIFTING["canary"])
    service = platform.only("AWS::ECS::Service")
    alarms = list(platform.assembly.referents(service, configuration(platform)["Alarms"]["AlarmNames"]))
    watched = {
        (metric.name, metric.dimensions["TargetGroup"]["Fn::GetAtt"][0])
        for alarm in alarms
        for metric in Alarm(alarm.properties).metrics
        if "TargetGroup" in metric.dimensions
    }
    groups = platform.of_type("AWS::ElasticLoadBalancingV2::TargetGroup")
    assert watched == {
        (f"AWS/ApplicationELB {name}", group.logical_id)
        for name in ("HTTPCode_Target_5XX_Count", "RequestCount", "UnHealthyHostCount")
        for group in groups
    }
    assert (len(groups), len({alarm.get("AlarmName") for alarm in alarms})) == (2, 4)


def test_second_target_group_comes_and_goes_without_touching_the_load_balancer(
    synthesise: Synthesiser,
) -> None:
    before, after = resources(synthesise("prod")), resources(synthesise("prod", PREPARED))
    assert set(before) <= set(after)
    changed = {
        after[identity]["Type"]
        for identity in before
        if before[identity].get("Properties") != after[identity].get("Properties")
    }
    assert changed == {"AWS::ECS::Service"}


@pytest.mark.parametrize("strategy", SHIFTING)
def test_switching_the_strategy_changes_nothing_but_the_service(
    synthesise: Synthesiser, strategy: str
) -> None:
    before = resources(synthesise("prod", PREPARED))
    after = resources(synthesise("prod", SHIFTING[strategy]))
    changed = {identity for identity in before if before[identity] != after[identity]}
    assert set(before) == set(after)
    assert {before[identity]["Type"] for identity in changed} == {"AWS::ECS::Service"}
    (service,) = changed
    properties = [dict(each[service]["Properties"]) for each in (before, after)]
    for each in properties:
        each.pop("DeploymentConfiguration")
    assert json.dumps(properties[0], sort_keys=True) == json.dumps(properties[1], sort_keys=True)


def test_no_one_is_paged_because_the_other_group_serves(synthesise: Synthesiser) -> None:
    """After each deployment one of the two groups is empty, and measures nothing."""
    platform = synthesise("prod", SHIFTING["canary"])
    watching = [
        alarm for alarm in platform.of_type("AWS::CloudWatch::Alarm") if alarm.stack == "Observability"
    ]
    by_name = {alarm.name.removesuffix("Alarm"): alarm for alarm in watching}
    for name in ("NoHealthyTargets", "UnhealthyTargets"):
        groups = {
            dimension["Value"]["Fn::ImportValue"]
            for query in by_name[name].get("Metrics")
            for dimension in query.get("MetricStat", {}).get("Metric", {}).get("Dimensions", ())
            if dimension["Name"] == "TargetGroup"
        }
        assert len(groups) == 2
    for name in ("Errors", "Latency"):
        assert "TargetGroup" not in json.dumps(dict(by_name[name].properties))
