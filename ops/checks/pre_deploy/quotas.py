"""Quotas that a new account can exceed on the first day, against what the deployment would make.

Codes and defaults: the pages *Amazon VPC quotas*, *Amazon ECS endpoints and quotas*, *Quotas for your
Application Load Balancers* and *Quotas and constraints for Amazon Aurora* of AWS's documentation.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from botocore.exceptions import ClientError

from ops.checks.context import Deployment
from ops.checks.results import Check, Result, failed, ok

_FARGATE = "fargate"
_ON_DEMAND, _SPOT = "L-3032A538", "L-36FBB829"
# A deployment starts new tasks next to the old ones.
_TASKS_AT_ONCE = 2


@dataclass(frozen=True)
class _Counted:
    """A quota on how many resources of a type there may be.

    Attributes
    ----------
    service, code
        The quota.
    name
        What is counted.
    type
        The type in a template.
    used
        How many there are already.
    """

    service: str
    code: str
    name: str
    type: str
    used: Callable[[Deployment], int]

    def find(self, context: Deployment) -> Iterator[Result]:
        """Yield whether what the deployment would make fits next to what there is."""
        region = context.settings.region
        new = [each for where, each in context.new_resources() if (where, each.type) == (region, self.type)]
        if not new:
            yield ok(self.name, "The deployment would make none.")
            return
        needed, used = self._per_zone(len(new), context), self.used(context)
        quota = _quota(context, self.service, self.code)
        evidence = f"{used} of {quota:g} are in use, and the deployment would make {needed}."
        fits = used + needed <= quota
        yield ok(self.name, evidence) if fits else _exceeded(self, evidence, used + needed)

    def _per_zone(self, count: int, context: Deployment) -> int:
        """Return how many count; NAT gateways are spread over the zones, each of which has the quota."""
        return -(-count // len(context.settings.network.zones)) if self.service_is_zonal else count

    @property
    def service_is_zonal(self) -> bool:
        """Whether each zone has the quota."""
        return self.type == "AWS::EC2::NatGateway"


def _exceeded(quota: "_Counted | _Fargate", evidence: str, wanted: float) -> Result:
    remedy = (
        f"`aws service-quotas request-service-quota-increase --service-code {quota.service} "
        f"--quota-code {quota.code} --desired-value {wanted:g}`; it takes minutes to days."
    )
    return failed(quota.name, evidence, remedy)


def _quota(context: Deployment, service: str, code: str) -> float:
    """Return the account's quota, or AWS's default where no one has changed it."""
    client = context.client("service-quotas")
    try:
        answer = client.get_service_quota(ServiceCode=service, QuotaCode=code)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchResourceException":
            raise
        answer = client.get_aws_default_service_quota(ServiceCode=service, QuotaCode=code)
    return float(answer["Quota"]["Value"])


@dataclass(frozen=True)
class _Fargate:
    """A quota on the vCPU of all tasks of one kind of capacity."""

    code: str
    name: str
    needed: Callable[[Deployment], float]
    service: str = _FARGATE

    def find(self, context: Deployment) -> Iterator[Result]:
        """Yield whether as many tasks as the settings allow may run, twice during a deployment."""
        needed = self.needed(context)
        if not needed:
            return
        quota = _quota(context, self.service, self.code)
        evidence = (
            f"The quota is {quota:g} vCPU; {needed:g} are needed: {_TASKS_AT_ONCE} × ecs.max_capacity tasks."
        )
        yield ok(self.name, evidence) if needed <= quota else _exceeded(self, evidence, needed)


def _vcpu(context: Deployment, *, spot: bool) -> float:
    """Return the vCPU of the most tasks; a share of those above the fewest are on Spot."""
    ecs = context.settings.ecs
    on_spot = (ecs.max_capacity - ecs.min_capacity) * ecs.spot_percent / 100
    tasks = on_spot if spot else ecs.max_capacity - on_spot
    return _TASKS_AT_ONCE * tasks * ecs.cpu / 1024


def _paged(service: str, operation: str, listed: str) -> Callable[[Deployment], int]:
    def used(context: Deployment) -> int:
        pages = context.client(service).get_paginator(operation).paginate()
        return sum(len(page[listed]) for page in pages)

    return used


def _addresses(context: Deployment) -> int:
    return len(context.client("ec2").describe_addresses()["Addresses"])


def _load_balancers(context: Deployment) -> int:
    pages = context.client("elbv2").get_paginator("describe_load_balancers").paginate()
    return sum(each["Type"] == "application" for page in pages for each in page["LoadBalancers"])


def _gateways_in_a_zone(context: Deployment) -> int:
    """Return how many NAT gateways the zone has that has the most."""
    client = context.client("ec2")
    pages = client.get_paginator("describe_nat_gateways").paginate(
        Filter=[{"Name": "state", "Values": ["pending", "available"]}]
    )
    subnets = [each["SubnetId"] for page in pages for each in page["NatGateways"]]
    if not subnets:
        return 0
    found = client.describe_subnets(SubnetIds=sorted(set(subnets)))["Subnets"]
    zones = {each["SubnetId"]: each["AvailabilityZone"] for each in found}
    return max(Counter(zones[subnet] for subnet in subnets).values())


_QUOTAS: tuple[_Counted | _Fargate, ...] = (
    _Counted("vpc", "L-F678F1CE", "VPCs", "AWS::EC2::VPC", _paged("ec2", "describe_vpcs", "Vpcs")),
    _Counted("ec2", "L-0263D0A3", "elastic IP addresses", "AWS::EC2::EIP", _addresses),
    _Counted("vpc", "L-FE5A380F", "NAT gateways a zone", "AWS::EC2::NatGateway", _gateways_in_a_zone),
    _Counted(
        "elasticloadbalancing",
        "L-53DA6B97",
        "load balancers",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        _load_balancers,
    ),
    _Counted(
        "rds",
        "L-952B80B8",
        "DB clusters",
        "AWS::RDS::DBCluster",
        _paged("rds", "describe_db_clusters", "DBClusters"),
    ),
    _Counted(
        "rds",
        "L-7B6409FD",
        "DB instances",
        "AWS::RDS::DBInstance",
        _paged("rds", "describe_db_instances", "DBInstances"),
    ),
    _Fargate(_ON_DEMAND, "Fargate vCPU", lambda context: _vcpu(context, spot=False)),
    _Fargate(_SPOT, "Fargate Spot vCPU", lambda context: _vcpu(context, spot=True)),
)
QUOTAS = [Check(each.name, each.find) for each in _QUOTAS]
