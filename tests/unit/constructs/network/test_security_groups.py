"""Security groups alone: what is off has no group."""

from aws_cdk.assertions import Template

from gantry.network.security_groups import SecurityGroups
from tests.unit.constructs.conftest import Parts


def ports(parts: Parts) -> set[int]:
    rules = Template.from_stack(parts.stack).find_resources("AWS::EC2::SecurityGroupIngress")
    return {each["Properties"]["FromPort"] for each in rules.values()}


def test_only_what_a_request_passes_is_connected(parts: Parts) -> None:
    groups = SecurityGroups(parts.stack, "Groups", vpc=parts.vpc, listener_ports=[443])
    assert (groups.endpoint, groups.database_proxy, groups.restore_tests) == (None, None, None)
    assert ports(parts) == {8080, 5432, 6379}


def test_endpoints_have_a_group_that_takes_https(parts: Parts) -> None:
    groups = SecurityGroups(parts.stack, "Groups", vpc=parts.vpc, listener_ports=[443], endpoints={"ecs"})
    assert groups.endpoint is not None
    assert 443 in ports(parts)
