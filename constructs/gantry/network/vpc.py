"""The VPC of the platform."""

import re
from collections.abc import Sequence

from aws_cdk import CustomResource, RemovalPolicy, Stack, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from contract import log_groups
from gantry.monitoring.log_groups import LogDefaults
from gantry.nag import acknowledge
from gantry.security.trust import service_of_this_account

# Each zone has its part of the range, whether it is in use or not: a zone that is added moves no subnet.
MOST_ZONES = 3
FEWEST_ZONES = 2
_ZONE_ID = re.compile(r"-az\d+$")


def lasting_subnet_ids(vpc: ec2.IVpc) -> list[str]:
    """Return the isolated subnets of the zones that every environment has from the first deployment on.

    For what keeps the subnets that it was made with (`SubnetIds` of AWS::ElastiCache::ServerlessCache and
    `VpcSubnetIds` of AWS::RDS::DBProxy are create-only): a zone that is added later would replace it.
    """
    return [subnet.subnet_id for subnet in vpc.isolated_subnets[:FEWEST_ZONES]]


class PlatformNetwork(Construct):
    """Public, private and isolated subnets in every zone, recorded by flow logs.

    Zones can be added, after those that there are. Another order, or one zone fewer, would replace subnets.

    Parameters
    ----------
    name
        Begins the names of the VPC and what is in it.
    cidr
        Range of the VPC.
    availability_zones
        Names or ids of the zones, two or three.
    nat_gateways
        How many; one a zone survives the loss of a zone.
    log_defaults
        Of the flow logs' group.

    Attributes
    ----------
    vpc
        The VPC.
    nat_gateways
        Its NAT gateways.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        cidr: str,
        availability_zones: Sequence[str],
        nat_gateways: int,
        log_defaults: LogDefaults,
    ) -> None:
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=name,
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=list(availability_zones),
            reserved_azs=MOST_ZONES - len(availability_zones),
            nat_gateways=nat_gateways,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="public", subnet_type=ec2.SubnetType.PUBLIC, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
                ec2.SubnetConfiguration(name="isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
            },
            restrict_default_security_group=True,
        )
        self._keep_default_group_restricted()
        self.nat_gateways = [each for each in self.vpc.node.find_all() if isinstance(each, ec2.CfnNatGateway)]
        self._name_subnets(name)
        self._use_zone_ids()
        acknowledge(
            self.vpc,
            "The zones are chosen by name: asking AWS for them would tie the synthesis to an account.",
            "CloudFormation-Validate::W3010",
        )
        group = log_defaults.group(self, "FlowLogGroup", name=log_groups.FLOW_LOGS)
        role = self._flow_log_role()
        flow_log = self.vpc.add_flow_log(
            "FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, role)
        )
        flow_log.node.add_dependency(role)
        Tags.of(flow_log).add("Name", name)

    def _flow_log_role(self) -> iam.Role:
        """Return a role that flow logs of this account and region alone may take on."""
        stack = Stack.of(self)
        flow_logs = stack.format_arn(service="ec2", resource="vpc-flow-log", resource_name="*")
        principal = service_of_this_account(self, "vpc-flow-logs.amazonaws.com", flow_logs)
        return iam.Role(self, "FlowLogRole", assumed_by=principal)

    def _keep_default_group_restricted(self) -> None:
        """Never undo the restriction: the group goes with the VPC.

        The CDK's function gives the group its rules back when the resource is deleted, and fails where it has
        them still: when another resource of a first deployment had failed before they were taken away.
        """
        construct = self.vpc.node.find_child("RestrictDefaultSecurityGroupCustomResource")
        if not isinstance(construct, CustomResource):
            raise TypeError(f"{construct.node.path} is not a custom resource")
        construct.apply_removal_policy(RemovalPolicy.RETAIN)

    def _name_subnets(self, name: str) -> None:
        """Name subnets by kind and zone: the CDK's names are paths, which a pipeline would change."""
        for kind, subnets in {
            "public": self.vpc.public_subnets,
            "private": self.vpc.private_subnets,
            "isolated": self.vpc.isolated_subnets,
        }.items():
            for subnet in subnets:
                Tags.of(subnet).add("Name", f"{name}-{kind}-{subnet.availability_zone}")

    def _use_zone_ids(self) -> None:
        """Give ids of zones as ids: the L2 knows names alone, and EC2 takes one of the two."""
        for subnet in self.vpc.node.find_all():
            if isinstance(subnet, ec2.CfnSubnet) and _ZONE_ID.search(zone := subnet.availability_zone or ""):
                subnet.availability_zone, subnet.availability_zone_id = None, zone


class InterfaceEndpoints(Construct):
    """Addresses of AWS APIs inside the VPC, so that calls to them leave it by no gateway.

    Each costs by the hour and zone; they pay where they carry what would otherwise pass a NAT gateway, or
    where nothing may leave the network.

    Parameters
    ----------
    vpc
        Where they are, in private subnets.
    services
        Names of the services, as in ``com.amazonaws.<region>.<service>``.
    security_group
        Who may reach them.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        services: Sequence[str],
        security_group: ec2.ISecurityGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        for service in services:
            ec2.InterfaceVpcEndpoint(
                self,
                "".join(word.capitalize() for word in service.replace("-", ".").split(".")),
                vpc=vpc,
                service=ec2.InterfaceVpcEndpointAwsService(service),
                subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
                security_groups=[security_group],
                private_dns_enabled=True,
                # The rules are with all others.
                open=False,
            )
