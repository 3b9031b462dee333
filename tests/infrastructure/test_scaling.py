"""How many tasks there are, when, and on which capacity."""

from typing import Any

import pytest

from tests.infrastructure.synthesis import Synthesised, Synthesiser

BUSY = {"ecs.requests_per_target": 600, "ecs.spot_percent": 60}


def tracking(platform: Synthesised) -> dict[str, Any]:
    policies = platform.of_type("AWS::ApplicationAutoScaling::ScalingPolicy")
    found = [policy.get("TargetTrackingScalingPolicyConfiguration") for policy in policies]
    return {each["PredefinedMetricSpecification"]["PredefinedMetricType"]: each for each in found}


def capacity(platform: Synthesised) -> list[dict[str, Any]]:
    found = platform.only("AWS::ECS::Service").get("CapacityProviderStrategy")
    assert isinstance(found, list)
    return found


def test_scaling_follows_the_guides_variables(synthesise: Synthesiser) -> None:
    platform = synthesise.having(
        "prod", {"ecs.min_capacity": 4, "ecs.max_capacity": 9, "ecs.cpu_target_utilization": 45}
    )
    target = platform.only("AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target.get("MinCapacity"), target.get("MaxCapacity")) == (4, 9)
    assert {metric: each["TargetValue"] for metric, each in tracking(platform).items()} == {
        "ECSServiceAverageCPUUtilization": 45
    }


def test_deployment_keeps_the_number_of_tasks_that_scaling_has_chosen(platform: Synthesised) -> None:
    """CloudFormation sends a number that the template names with every update of the service."""
    assert platform.only("AWS::ECS::Service").get("DesiredCount") is None


def test_requests_are_counted_at_the_services_target_group(synthesise: Synthesiser) -> None:
    platform = synthesise.having("prod", BUSY)
    requests = tracking(platform)["ALBRequestCountPerTarget"]
    assert requests["TargetValue"] == 600
    policy = platform.only("AWS::ApplicationAutoScaling::ScalingPolicy", path="Requests")
    label = requests["PredefinedMetricSpecification"]["ResourceLabel"]
    assert "Targets" in {each.name for each in platform.assembly.referents(policy, label)}
    assert set(tracking(platform)) == {"ALBRequestCountPerTarget", "ECSServiceAverageCPUUtilization"}


def test_bounds_change_by_the_clock_of_a_time_zone(synthesise: Synthesiser) -> None:
    target = synthesise.having("prod", BUSY).only("AWS::ApplicationAutoScaling::ScalableTarget")
    actions = {each["ScheduledActionName"]: each for each in target.get("ScheduledActions")}
    assert actions["morning"]["ScalableTargetAction"] == {"MinCapacity": 8, "MaxCapacity": 20}
    assert actions["morning"]["Schedule"] == "cron(0 7 ? * MON-FRI *)"
    assert {name: each["Timezone"] for name, each in actions.items()} == {
        "evening": "Etc/UTC",
        "morning": "Europe/Berlin",
    }


def test_everything_runs_on_demand_by_default(platform: Synthesised) -> None:
    assert capacity(platform) == [{"CapacityProvider": "FARGATE", "Weight": 1}]


@pytest.mark.parametrize("percent", [60, 99])
def test_fewest_tasks_stay_on_demand_whatever_the_share_on_spot(
    synthesise: Synthesiser, percent: int
) -> None:
    platform = synthesise.having("prod", {"ecs.spot_percent": percent})
    assert capacity(platform) == [
        {
            "CapacityProvider": "FARGATE",
            "Base": platform.settings.ecs.min_capacity,
            "Weight": 100 - percent,
        },
        {"CapacityProvider": "FARGATE_SPOT", "Weight": percent},
    ]


def test_share_on_spot_can_change_while_the_service_runs(platform: Synthesised) -> None:
    """A launch type can be left only with an interruption; the cluster has the providers from the start."""
    service = platform.only("AWS::ECS::Service")
    providers = platform.only("AWS::ECS::ClusterCapacityProviderAssociations")
    assert service.get("LaunchType") is None
    assert providers.get("CapacityProviders") == ["FARGATE", "FARGATE_SPOT"]
    assert providers.logical_id in service.depends_on


def test_first_cluster_of_an_account_has_its_role_before_it_gets_capacity(platform: Synthesised) -> None:
    """ECS makes its service-linked role with the cluster, and cannot assume it at once."""
    providers = platform.only("AWS::ECS::ClusterCapacityProviderAssociations")
    types = {each.type for each in platform.assembly.resources if each.logical_id in providers.depends_on}
    assert "AWS::ElasticLoadBalancingV2::Listener" in types
