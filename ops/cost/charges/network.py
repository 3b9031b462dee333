"""Charges of the network: gateways, addresses, endpoints, load balancers, what leaves to the internet."""

from collections.abc import Iterator
from decimal import Decimal

from ops.assembly import Resource
from ops.cost.usage import Charge, Context, Unknown, Usage
from ops.cost.workload import HOURS_A_MONTH, SECONDS_A_MONTH

# What one load balancer capacity unit holds (Elastic Load Balancing pricing).
_CONNECTIONS_A_SECOND = Decimal(25)
_ACTIVE_CONNECTIONS = Decimal(3000)
_GB_AN_HOUR = Decimal(1)


def _nat_gateway(_: Resource, context: Context) -> Iterator[Usage | Unknown]:
    yield Usage("running", "nat-gateway-hour", HOURS_A_MONTH)
    if not _has_endpoint(context, "logs"):
        gateways = len(context.of_type("AWS::EC2::NatGateway"))
        logs = context.workload.gigabytes(context.assumptions.log_kb)
        yield Usage("task logs on their way to CloudWatch", "nat-gateway-gb", logs / gateways)


def _has_endpoint(context: Context, service: str) -> bool:
    return any(
        str(each.get("ServiceName", default="")).endswith(f".{service}")
        for each in context.of_type("AWS::EC2::VPCEndpoint")
    )


def _address(_: Resource, __: Context) -> Iterator[Usage | Unknown]:
    yield Usage("public IPv4 address", "public-ipv4-hour", HOURS_A_MONTH)


def _endpoint(endpoint: Resource, context: Context) -> Iterator[Usage | Unknown]:
    if endpoint.get("VpcEndpointType", default="Gateway") != "Interface":
        return
    zones = len(endpoint.get("SubnetIds", default=()))
    yield Usage("running in its zones", "interface-endpoint-hour", HOURS_A_MONTH * zones)
    if str(endpoint.get("ServiceName", default="")).endswith(".logs"):
        logs = context.workload.gigabytes(context.assumptions.log_kb)
        yield Usage("task logs on their way to CloudWatch", "interface-endpoint-gb", logs)


def _load_balancer(balancer: Resource, context: Context) -> Iterator[Usage | Unknown]:
    if balancer.get("Type", default="application") != "application":
        yield Unknown(f"{balancer.get('Type')} load balancer", "only application load balancers are priced")
        return
    yield Usage("running", "load-balancer-hour", HOURS_A_MONTH)
    yield Usage("capacity units", "load-balancer-capacity-unit", _capacity_units(context) * HOURS_A_MONTH)
    if balancer.get("Scheme") == "internet-facing":
        zones = len(balancer.get("Subnets", default=()))
        yield Usage("public IPv4 address in each zone", "public-ipv4-hour", HOURS_A_MONTH * zones)
        out = context.workload.gigabytes(context.assumptions.response_kb)
        yield Usage("responses to the internet", "transfer-to-internet", out)


def _capacity_units(context: Context) -> Decimal:
    """Return how many units a load needs: the largest of the dimensions, as AWS charges them."""
    assumed, load = context.assumptions, context.workload
    opened = load.requests_a_second / assumed.requests_a_connection
    both_ways = load.gigabytes(assumed.request_kb + assumed.response_kb)
    return max(
        opened / _CONNECTIONS_A_SECOND,
        opened * assumed.connection_seconds / _ACTIVE_CONNECTIONS,
        both_ways / (SECONDS_A_MONTH / 3600) / _GB_AN_HOUR,
    )


def _accelerator(accelerator: Resource, context: Context) -> Iterator[Usage | Unknown]:
    yield Usage("running", "global-accelerator-hour", HOURS_A_MONTH)
    out = context.workload.gigabytes(context.assumptions.response_kb)
    yield Usage("responses over the AWS network", "global-accelerator-gb", out)
    if accelerator.get("FlowLogsEnabled"):
        yield Unknown("flow logs", "their delivery to S3 is charged by the GB; no price recorded")


def _hosted_zone(_: Resource, __: Context) -> Iterator[Usage | Unknown]:
    yield Usage("hosted zone", "hosted-zone", Decimal(1))


def _health_check(_: Resource, __: Context) -> Iterator[Usage | Unknown]:
    yield Usage("health check", "health-check", Decimal(1))


CHARGES: dict[str, Charge] = {
    "AWS::EC2::EIP": _address,
    "AWS::EC2::NatGateway": _nat_gateway,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _load_balancer,
    "AWS::GlobalAccelerator::Accelerator": _accelerator,
    "AWS::Route53::HealthCheck": _health_check,
    "AWS::Route53::HostedZone": _hosted_zone,
}
