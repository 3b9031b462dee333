"""The VPC of the platform."""

from collections.abc import Sequence

from aws_cdk import RemovalPolicy, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from gantry.nag import acknowledge


class PlatformNetwork(Construct):
    """Public, private and isolated subnets in every zone, recorded by flow logs.

    Parameters
    ----------
    name
        Begins the names of the VPC and what is in it.
    cidr
        Range of the VPC.
    availability_zones
        Names of the zones.
    nat_gateways
        How many; one a zone survives the loss of a zone.
    flow_log_group_name
        Name of the flow logs' group.
    logs_key
        Encrypts the flow logs.
    log_retention
        How long flow logs are kept.

    Attributes
    ----------
    vpc
        The VPC.
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
        flow_log_group_name: str,
        logs_key: kms.IKey,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=name,
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            availability_zones=list(availability_zones),
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
        self._name_subnets(name)
        acknowledge(
            self.vpc,
            "The zones are chosen by name: asking AWS for them would tie the synthesis to an account.",
            "CloudFormation-Validate::W3010",
        )
        group = logs.LogGroup(
            self,
            "FlowLogGroup",
            log_group_name=flow_log_group_name,
            encryption_key=logs_key,
            retention=log_retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.vpc.add_flow_log("FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group))

    def _name_subnets(self, name: str) -> None:
        """Name subnets by kind and zone: the CDK's names are paths, which a pipeline would change."""
        for kind, subnets in {
            "public": self.vpc.public_subnets,
            "private": self.vpc.private_subnets,
            "isolated": self.vpc.isolated_subnets,
        }.items():
            for subnet in subnets:
                Tags.of(subnet).add("Name", f"{name}-{kind}-{subnet.availability_zone}")


class SecurityGroups(Construct):
    """Every security group and every rule between them, in one place.

    A rule that a later layer adds to a group of an earlier one would tie the two into a cycle, so that all
    rules stand here, with literal ports.

    Attributes
    ----------
    load_balancer, service, database, cache
        Of the request's path.
    database_functions, cache_functions, functions
        Of the Lambda functions that administer the database and the cache, and of those that reach AWS alone.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        listener_ports: Sequence[int],
        service_port: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self._vpc = vpc
        self.load_balancer = self._group("LoadBalancer", "Application Load Balancer")
        self.service = self._group("Service", "tasks of the service")
        self.database = self._group("Database", "Aurora cluster")
        self.cache = self._group("Cache", "Valkey cache")
        self.database_functions = self._group("DatabaseFunctions", "functions that administer database roles")
        self.cache_functions = self._group("CacheFunctions", "functions that administer cache users")
        self.functions = self._group("Functions", "functions that reach AWS APIs alone")
        for port in listener_ports:
            self.load_balancer.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), "the internet")
        acknowledge(
            self.load_balancer,
            "The load balancer is the platform's door to the internet; only its listeners' ports are open.",
            "AwsSolutions-EC23",
        )
        self._connect(self.load_balancer, self.service, service_port, "requests and health checks")
        self._connect(self.service, self.database, 5432, "PostgreSQL")
        self._connect(self.service, self.cache, 6379, "Valkey")
        self._connect(self.database_functions, self.database, 5432, "PostgreSQL")
        self._connect(self.cache_functions, self.cache, 6379, "Valkey")
        for group in (self.service, self.database_functions, self.cache_functions, self.functions):
            group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS APIs")

    def _group(self, name: str, what: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, name, vpc=self._vpc, description=what, allow_all_outbound=False)

    @staticmethod
    def _connect(source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int, what: str) -> None:
        source.add_egress_rule(target, ec2.Port.tcp(port), what)
        target.add_ingress_rule(source, ec2.Port.tcp(port), what)
