"""The service: what it runs as, how it is reached, how it scales and how it is rolled back."""

from typing import Any

import pytest

from stacks.settings import CONTRACT_VARIABLES
from tests.infrastructure.synthesis import Synthesised, Synthesiser

CERTIFICATE = "arn:aws:acm:us-east-1:{account}:certificate/11111111-2222-3333-4444-555555555555"


def container(platform: Synthesised) -> dict[str, Any]:
    (only,) = platform.only("AWS::ECS::TaskDefinition").get("ContainerDefinitions")
    assert isinstance(only, dict)
    return only


def variables(platform: Synthesised) -> dict[str, Any]:
    return {entry["Name"]: entry["Value"] for entry in container(platform)["Environment"]}


def test_container_gets_exactly_what_its_contract_promises(platform: Synthesised) -> None:
    plain, secret = set(variables(platform)), {entry["Name"] for entry in container(platform)["Secrets"]}
    assert plain | secret == CONTRACT_VARIABLES
    assert not plain & secret


def test_container_can_do_little(platform: Synthesised) -> None:
    definition = container(platform)
    assert definition["ReadonlyRootFilesystem"] is True
    assert int(definition["User"].split(":")[0]) > 0
    assert definition.get("Privileged", False) is False
    assert definition["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert platform.only("AWS::ECS::Service").get("EnableExecuteCommand", default=False) is False


def test_container_is_told_how_long_it_has_to_stop(platform: Synthesised) -> None:
    seconds = platform.settings.ecs.stop_timeout_seconds
    assert container(platform)["StopTimeout"] == seconds
    assert variables(platform)["STOP_TIMEOUT_SECONDS"] == str(seconds)


def test_load_balancer_and_container_ask_the_same_path(platform: Synthesised) -> None:
    group = platform.only("AWS::ElasticLoadBalancingV2::TargetGroup")
    assert group.get("HealthCheckPath") == "/healthz"
    assert ":8080/healthz" in container(platform)["HealthCheck"]["Command"][-1]
    assert variables(platform)["PORT"] == "8080"


def test_addresses_are_plain_so_that_a_new_one_rolls_out(platform: Synthesised) -> None:
    task = platform.only("AWS::ECS::TaskDefinition")
    for variable, source in {"DATABASE_HOST": "Database/Cluster", "VALKEY_HOST": "Cache/Cache"}.items():
        (origin,) = platform.assembly.referents(task, variables(platform)[variable])
        assert origin.construct == source


def test_tasks_run_on_graviton_in_every_environment(platform: Synthesised) -> None:
    task = platform.only("AWS::ECS::TaskDefinition")
    assert task.get("RuntimePlatform", "CpuArchitecture") == "ARM64"


def test_own_variables_reach_the_container(synthesise: Synthesiser) -> None:
    platform = synthesise("sandbox", {"ecs.environment.FEATURE_X": "on"})
    assert variables(platform)["FEATURE_X"] == "on"


def test_deployment_keeps_all_tasks_and_rolls_itself_back(platform: Synthesised) -> None:
    configuration = platform.only("AWS::ECS::Service").get("DeploymentConfiguration")
    assert configuration["MinimumHealthyPercent"] == 100
    assert configuration["MaximumPercent"] == 200
    assert configuration["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


def test_deployment_is_rolled_back_by_metric_alarms_of_the_same_stack(platform: Synthesised) -> None:
    """ECS watches no composite alarms, and alarms of a later layer would tie the two into a cycle."""
    service = platform.only("AWS::ECS::Service")
    alarms = service.get("DeploymentConfiguration", "Alarms")
    assert alarms["Enable"] is True
    assert alarms["Rollback"] is True
    watched = list(platform.assembly.referents(service, alarms["AlarmNames"]))
    assert {each.name for each in watched} == {"ServerErrors", "UnhealthyTargets"}
    assert {(each.type, each.stack) for each in watched} == {("AWS::CloudWatch::Alarm", "Compute")}


def test_scaling_follows_the_guides_variables(synthesise: Synthesiser) -> None:
    platform = synthesise(
        "prod", {"ecs.min_capacity": 4, "ecs.max_capacity": 9, "ecs.cpu_target_utilization": 45}
    )
    target = platform.only("AWS::ApplicationAutoScaling::ScalableTarget")
    policy = platform.only("AWS::ApplicationAutoScaling::ScalingPolicy")
    tracking = policy.get("TargetTrackingScalingPolicyConfiguration")
    assert (target.get("MinCapacity"), target.get("MaxCapacity")) == (4, 9)
    assert tracking["TargetValue"] == 45
    assert tracking["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "ECSServiceAverageCPUUtilization"
    }


def listeners(platform: Synthesised) -> dict[int, dict[str, Any]]:
    found = platform.of_type("AWS::ElasticLoadBalancingV2::Listener")
    return {each.get("Port"): dict(each.properties) for each in found}


def test_with_a_certificate_everything_is_https(prod: Synthesised) -> None:
    found = listeners(prod)
    (redirect,) = found[80]["DefaultActions"]
    assert redirect["RedirectConfig"] | {"Port": "443", "Protocol": "HTTPS"} == redirect["RedirectConfig"]
    assert found[443]["Protocol"] == "HTTPS"
    assert "TLS13-1-2" in found[443]["SslPolicy"]
    assert [each["CertificateArn"] for each in found[443]["Certificates"]] == [
        prod.settings.load_balancer.certificate_arn
    ]
    assert variables(prod)["COOKIE_SECURE"] == "true"


def test_without_a_certificate_only_http_is_served(sandbox: Synthesised) -> None:
    assert list(listeners(sandbox)) == [80]
    assert variables(sandbox)["COOKIE_SECURE"] == "false"


def test_certificate_turns_https_on_anywhere(synthesise: Synthesiser) -> None:
    arn = CERTIFICATE.format(account="000000000000")
    platform = synthesise("sandbox", {"load_balancer.certificate_arn": arn})
    assert sorted(listeners(platform)) == [80, 443]


def test_load_balancer_drops_what_is_malformed(platform: Synthesised) -> None:
    balancer = platform.only("AWS::ElasticLoadBalancingV2::LoadBalancer")
    attributes = {each["Key"]: each["Value"] for each in balancer.get("LoadBalancerAttributes")}
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert attributes["routing.http.desync_mitigation_mode"] == "defensive"


def test_firewall_stands_before_the_load_balancer(platform: Synthesised) -> None:
    association = platform.only("AWS::WAFv2::WebACLAssociation")
    ends = {each.type for each in platform.assembly.referents(association)}
    assert ends == {"AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::WAFv2::WebACL"}


def test_firewall_limits_the_rate_of_an_address_as_set(synthesise: Synthesiser) -> None:
    platform = synthesise("sandbox", {"load_balancer.requests_per_five_minutes": 123})
    rules = {rule["Name"]: rule for rule in platform.only("AWS::WAFv2::WebACL").get("Rules")}
    limit = rules["rate-limit"]["Statement"]["RateBasedStatement"]
    assert (limit["Limit"], limit["EvaluationWindowSec"], limit["AggregateKeyType"]) == (123, 300, "IP")
    assert "AWSManagedRulesCommonRuleSet" in rules


@pytest.mark.parametrize(
    ("image", "pulls_from_ecr"),
    [
        ("000000000000.dkr.ecr.us-east-1.amazonaws.com/gantry/sandbox:v1", True),
        ("public.ecr.aws/team/app:v1", False),
    ],
)
def test_named_image_is_the_one_that_runs(
    synthesise: Synthesiser, image: str, *, pulls_from_ecr: bool
) -> None:
    platform = synthesise("sandbox", {"container_image": image})
    assert str(container(platform)["Image"]).count("v1") == 1
    actions = {
        action
        for policy, statement in platform.statements()
        if policy.path.startswith("Web/") and statement["Effect"] == "Allow"
        for action in statement["Action"]
    }
    assert ("ecr:BatchGetImage" in actions) is pulls_from_ecr
    assert variables(platform)["SERVICE_VERSION"] == "v1"


def test_sandbox_builds_no_image(sandbox: Synthesised) -> None:
    """There is no container engine on a laptop that has only Python and git."""
    assets = (sandbox.assembly.directory / "Compute.assets.json").read_text()
    assert '"dockerImages": {}' in assets


def test_prod_builds_its_image_from_the_service(prod: Synthesised) -> None:
    assets = (prod.assembly.directory / "Compute.assets.json").read_text()
    assert '"platform": "linux/arm64"' in assets
