"""The way of a request, as the templates tell it."""

from pathlib import Path
from typing import Any

from ops.architecture.request_path import Step, steps
from tests.unit.ops.assemblies import assembly, resource, stack


def ref(path: str) -> dict[str, str]:
    return {"Ref": path.replace("/", "")}


def service(*, balanced: bool) -> list[dict[str, Any]]:
    targets = [{"TargetGroupArn": ref("App/Targets")}] if balanced else []
    return [
        resource("AWS::ElasticLoadBalancingV2::LoadBalancer", "App/Lb"),
        resource("AWS::ElasticLoadBalancingV2::TargetGroup", "App/Targets"),
        resource("AWS::ElasticLoadBalancingV2::Listener", "App/Http", Port=80, LoadBalancerArn=ref("App/Lb")),
        resource(
            "AWS::ElasticLoadBalancingV2::Listener",
            "App/Https",
            Port=443,
            Protocol="HTTPS",
            LoadBalancerArn=ref("App/Lb"),
            DefaultActions=[{"TargetGroupArn": ref("App/Targets")}],
        ),
        resource("AWS::RDS::DBCluster", "App/Cluster", Engine="aurora-postgresql", EngineVersion="17.9"),
        resource("AWS::ElastiCache::ServerlessCache", "App/Cache", Engine="valkey"),
        resource(
            "AWS::ECS::TaskDefinition",
            "App/Task",
            Hosts=[{"Fn::GetAtt": ["AppCache", "Endpoint"]}, {"Fn::GetAtt": ["AppCluster", "Endpoint"]}],
        ),
        resource("AWS::ECS::Service", "App/Service", TaskDefinition=ref("App/Task"), LoadBalancers=targets),
    ]


def test_way_leads_through_balancer_and_service_to_the_stores(tmp_path: Path) -> None:
    assert steps(assembly(tmp_path, App=stack(*service(balanced=True)))) == (
        Step("load balancer", "HTTPS 443", "App"),
        Step("Fargate service", "", "App"),
        Step("Aurora cluster", "PostgreSQL 17.9", "App"),
        Step("serverless cache", "Valkey", "App", beside_previous=True),
    )


def test_firewall_and_scaling_are_told_where_they_are(tmp_path: Path) -> None:
    scaling = resource(
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "App/Scaling",
        MinCapacity=3,
        MaxCapacity=12,
        ResourceId={"Fn::Join": ["", ["service/", {"Fn::GetAtt": ["AppService", "Name"]}]]},
    )
    association = resource("AWS::WAFv2::WebACLAssociation", "App/Waf", ResourceArn=ref("App/Lb"))
    first, second, *_ = steps(assembly(tmp_path, App=stack(*service(balanced=True), scaling, association)))
    assert (first.detail, second.detail) == ("HTTPS 443, web firewall", "3 to 12 tasks")


def test_service_without_a_balancer_has_no_way_in(tmp_path: Path) -> None:
    assert steps(assembly(tmp_path, App=stack(*service(balanced=False)))) == ()
