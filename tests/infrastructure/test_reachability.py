"""Who may reach whom, and from where."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gantry.network.security_groups import FUNCTION_APIS
from ops.assembly import Resource
from tests.infrastructure.synthesis import Synthesised, Synthesiser, as_list
from tests.infrastructure.variants import S3_LIST

WORLD = "the internet"


def group_name(resource: Resource) -> str:
    return resource.construct.rpartition("/")[2]


def rules(platform: Synthesised, direction: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield (source, target, first port, last port) of every rule of a direction."""
    inline, peer_key = f"SecurityGroup{direction}", "Source" if direction == "Ingress" else "Destination"
    for group in platform.of_type("AWS::EC2::SecurityGroup"):
        for rule in group.get(inline, default=()):
            if rule["CidrIp"] != "255.255.255.255/32":  # the CDK's way of writing "nowhere"
                yield _connection(direction, group_name(group), WORLD, rule)
    for rule in platform.of_type(f"AWS::EC2::{inline}"):
        if rule.get("DestinationPrefixListId"):
            continue
        (group,) = platform.assembly.referents(rule, rule.get("GroupId"))
        (peer,) = platform.assembly.referents(rule, rule.get(f"{peer_key}SecurityGroupId"))
        yield _connection(direction, group_name(group), group_name(peer), rule.properties)


def _connection(direction: str, group: str, peer: str, rule: Mapping[str, Any]) -> tuple[str, str, int, int]:
    source, target = (peer, group) if direction == "Ingress" else (group, peer)
    return source, target, rule["FromPort"], rule["ToPort"]


INSIDE = {
    ("LoadBalancer", "Service", 8080, 8080),
    ("Service", "Database", 5432, 5432),
    ("Service", "Cache", 6379, 6379),
    ("DatabaseFunctions", "Database", 5432, 5432),
    ("CacheFunctions", "Cache", 6379, 6379),
    ("RestoreTestFunctions", "RestoredDatabase", 5432, 5432),
}
CALLERS = ("Service", "DatabaseFunctions", "CacheFunctions", "Functions", "RestoreTestFunctions")
TO_AWS = {(group, WORLD, 443, 443) for group in CALLERS}


def test_traffic_that_is_let_in(prod: Synthesised) -> None:
    assert set(rules(prod, "Ingress")) == INSIDE | {(WORLD, "LoadBalancer", port, port) for port in (80, 443)}


def test_traffic_that_is_let_out(prod: Synthesised) -> None:
    assert set(rules(prod, "Egress")) == INSIDE | TO_AWS


@pytest.mark.parametrize("overrides", [{"backup.enabled": False}, {"backup.restore_tests": False}])
def test_without_restore_tests_there_are_no_groups_for_them(
    synthesise: Synthesiser, overrides: dict[str, object]
) -> None:
    groups = synthesise.having("prod", overrides).of_type("AWS::EC2::SecurityGroup")
    assert not {group_name(group) for group in groups} & {"RestoreTestFunctions", "RestoredDatabase"}


@pytest.mark.parametrize("direction", ["Ingress", "Egress"])
def test_no_rule_is_there_twice(platform: Synthesised, direction: str) -> None:
    """EC2 refuses a duplicate, and with it the deployment."""
    found = list(rules(platform, direction))
    assert sorted(found) == sorted(set(found))


def test_without_a_certificate_nothing_listens_on_443(sandbox: Synthesised) -> None:
    from_world = {rule for rule in rules(sandbox, "Ingress") if rule[0] == WORLD}
    assert from_world == {(WORLD, "LoadBalancer", 80, 80)}


def test_default_security_group_lets_nothing_through(platform: Synthesised) -> None:
    closed = platform.only("Custom::VpcRestrictDefaultSG")
    (vpc,) = platform.assembly.referents(closed, closed.get("DefaultSecurityGroupId"))
    assert vpc.type == "AWS::EC2::VPC"


def subnet_kinds(platform: Synthesised, resource: Resource, *keys: str) -> set[str]:
    subnets = platform.assembly.referents(resource, resource.get(*keys))
    return {re.sub(r".*/(\w+)Subnet\d.*", r"\1", subnet.path) for subnet in subnets}


@pytest.mark.parametrize(
    ("resource_type", "keys", "kind"),
    [
        ("AWS::RDS::DBSubnetGroup", ("SubnetIds",), "isolated"),
        ("AWS::ElastiCache::ServerlessCache", ("SubnetIds",), "isolated"),
        ("AWS::ECS::Service", ("NetworkConfiguration", "AwsvpcConfiguration", "Subnets"), "private"),
        ("AWS::ElasticLoadBalancingV2::LoadBalancer", ("Subnets",), "public"),
    ],
)
def test_each_part_is_in_its_subnets(
    platform: Synthesised, resource_type: str, keys: tuple[str, ...], kind: str
) -> None:
    assert subnet_kinds(platform, platform.only(resource_type), *keys) == {kind}


def test_functions_that_touch_data_run_in_private_subnets(platform: Synthesised) -> None:
    functions = [each for each in platform.of_type("AWS::Lambda::Function") if each.get("VpcConfig")]
    assert len(functions) >= 2
    for function in functions:
        assert subnet_kinds(platform, function, "VpcConfig", "SubnetIds") == {"private"}


def test_isolated_subnets_have_no_way_out(platform: Synthesised) -> None:
    for route in platform.of_type("AWS::EC2::Route"):
        assert "isolated" not in route.path


def test_nothing_gets_a_public_address_by_itself(platform: Synthesised) -> None:
    assert all(not subnet.get("MapPublicIpOnLaunch") for subnet in platform.of_type("AWS::EC2::Subnet"))
    service = platform.only("AWS::ECS::Service")
    assert service.get("NetworkConfiguration", "AwsvpcConfiguration", "AssignPublicIp") == "DISABLED"


@pytest.mark.parametrize("gateways", [1, 2, 3])
def test_gateways_are_as_many_as_set(synthesise: Synthesiser, gateways: int) -> None:
    nat: dict[str, object] = {"network.nat_gateways": gateways}
    platform = synthesise("prod") if gateways == 3 else synthesise.having("prod", nat)
    assert len(platform.of_type("AWS::EC2::NatGateway")) == gateways


def test_subnets_are_in_every_zone(platform: Synthesised) -> None:
    zones = [subnet.get("AvailabilityZone") for subnet in platform.of_type("AWS::EC2::Subnet")]
    assert sorted(zones) == sorted(platform.settings.availability_zones * 3)


def test_zones_named_by_id_are_given_as_ids(synthesise: Synthesiser) -> None:
    """EC2 takes name or id, and an id as a name would be a zone that there is not."""
    zones = ["use1-az1", "use1-az2"]
    platform = synthesise.having("dev", {"network.zones": zones})
    subnets = platform.of_type("AWS::EC2::Subnet")
    assert sorted(subnet.get("AvailabilityZoneId") for subnet in subnets) == sorted(zones * 3)
    assert not [subnet for subnet in subnets if subnet.get("AvailabilityZone")]


def test_load_balancer_can_leave_a_zone_out(platform: Synthesised) -> None:
    balancer = platform.only("AWS::ElasticLoadBalancingV2::LoadBalancer")
    assert {"Key": "zonal_shift.config.enabled", "Value": "true"} in balancer.get("LoadBalancerAttributes")


def test_third_zone_moves_no_subnet(synthesise: Synthesiser) -> None:
    """Each zone has its part of the range from the start, and in the smallest one a load balancer's /27."""
    two, three = (
        {subnet.logical_id: subnet.get("CidrBlock") for subnet in platform.of_type("AWS::EC2::Subnet")}
        for platform in (
            synthesise.having("dev", {"network.cidr": "10.9.0.0/23", "network.zones": zones})
            for zones in (["a", "b"], ["a", "b", "c"])
        )
    )
    assert two.items() < three.items()
    assert {cidr.partition("/")[2] for cidr in three.values()} == {"27"}


def test_endpoints_let_in_those_who_call_apis(synthesise: Synthesiser) -> None:
    platform = synthesise.having("prod", {"network.interface_endpoints": ["secretsmanager", "ecr.api"]})
    endpoints = [each for each in platform.of_type("AWS::EC2::VPCEndpoint") if each.get("SecurityGroupIds")]
    assert {each.get("ServiceName").rpartition("us-east-1.")[2] for each in endpoints} == {
        "secretsmanager",
        "ecr.api",
    }
    into = {rule for rule in rules(platform, "Ingress") if rule[1] == "Endpoints"}
    assert into == {(group, "Endpoints", 443, 443) for group in CALLERS}
    for endpoint in endpoints:
        assert subnet_kinds(platform, endpoint, "SubnetIds") == {"private"}
        assert endpoint.get("PrivateDnsEnabled") is True


def test_without_endpoints_there_is_no_group_for_them(prod: Synthesised) -> None:
    assert not [group for group in prod.of_type("AWS::EC2::SecurityGroup") if group.name == "Endpoints"]
    kinds = {endpoint.get("VpcEndpointType") for endpoint in prod.of_type("AWS::EC2::VPCEndpoint")}
    assert kinds == {"Gateway"}


ENDPOINTS = ["ecs", "elasticache", "rds", "secretsmanager"]


def by_https(platform: Synthesised, name: str) -> set[str]:
    """Return where a group may go by HTTPS."""
    groups = {
        target for source, target, port, _ in rules(platform, "Egress") if (source, port) == (name, 443)
    }
    lists = {
        rule.get("DestinationPrefixListId")
        for rule in platform.of_type("AWS::EC2::SecurityGroupEgress")
        if name in {group_name(each) for each in platform.assembly.referents(rule, rule.get("GroupId"))}
    }
    return groups | (lists - {None})


def test_functions_stay_off_the_internet_where_endpoints_serve_all_that_they_call(
    synthesise: Synthesiser,
) -> None:
    settings = {
        "network.interface_endpoints": ENDPOINTS,
        "network.s3_prefix_lists": {"us-east-1": S3_LIST},
    }
    platform = synthesise.having("prod", settings)
    assert by_https(platform, "Functions") == {"Endpoints"}
    for name in ("DatabaseFunctions", "CacheFunctions"):
        assert by_https(platform, name) == {"Endpoints", S3_LIST}
    assert by_https(platform, "Service") == {WORLD}


def test_functions_that_answer_cloudformation_need_a_way_to_s3(synthesise: Synthesiser) -> None:
    platform = synthesise.having("prod", {"network.interface_endpoints": ENDPOINTS, "backup.copies": False})
    assert by_https(platform, "Functions") == {"Endpoints"}
    for name in ("DatabaseFunctions", "CacheFunctions"):
        assert by_https(platform, name) == {WORLD}


@pytest.mark.parametrize(
    "missing", ["rds", *(pytest.param(each, marks=pytest.mark.long) for each in ENDPOINTS if each != "rds")]
)
def test_functions_whose_api_has_no_endpoint_keep_their_way_out(
    synthesise: Synthesiser, missing: str
) -> None:
    present = [each for each in ENDPOINTS if each != missing]
    settings = {
        "network.interface_endpoints": present,
        "network.s3_prefix_lists": {"us-east-1": S3_LIST},
    }
    platform = synthesise.having("prod", settings) if missing == "rds" else synthesise("prod", settings)
    for name in ("DatabaseFunctions", "CacheFunctions"):
        needs = missing in FUNCTION_APIS[name]
        assert by_https(platform, name) == ({WORLD} if needs else {"Endpoints", S3_LIST})


def test_functions_call_no_other_apis_than_their_group_is_made_for(platform: Synthesised) -> None:
    """Else they would wait in vain where functions stay off the internet."""
    for function in platform.of_type("AWS::Lambda::Function"):
        groups = platform.assembly.referents(
            function, function.get("VpcConfig", "SecurityGroupIds", default=[])
        )
        for group in groups:
            assert apis(platform, function) <= FUNCTION_APIS[group_name(group)], function.path


def apis(platform: Synthesised, function: Resource) -> set[str]:
    """Return the services that a function's role lets its code call, without what Lambda calls for it."""
    (role,) = platform.assembly.referents(function, function.get("Role"))
    called = {
        action.partition(":")[0]
        for policy in platform.assembly.referrers(role)
        for statement in policy.get("PolicyDocument", "Statement", default=())
        for action in as_list(statement["Action"])
    }
    # The key is used by Secrets Manager, and the service-linked role is made by ElastiCache.
    return called - {"ec2", "iam", "kms", "logs", "sqs", "xray"}
