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
        flow_log = self.vpc.add_flow_log(
            "FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group)
        )
        Tags.of(flow_log).add("Name", name)

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
    rules stand here, with literal ports. What is handed out takes no further rule: a load balancer, for one,
    would add rules of its own beside these, and EC2 refuses duplicates.

    Parameters
    ----------
    vpc
        Where the groups are.
    listener_ports
        Ports that the load balancer offers to the internet.
    service_port
        Port that the service's tasks listen on.

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
        load_balancer = self._group("LoadBalancer", "Application Load Balancer")
        service = self._group("Service", "tasks of the service")
        database = self._group("Database", "Aurora cluster")
        cache = self._group("Cache", "Valkey cache")
        database_functions = self._group("DatabaseFunctions", "functions that administer database roles")
        cache_functions = self._group("CacheFunctions", "functions that administer cache users")
        functions = self._group("Functions", "functions that reach AWS APIs alone")
        for port in listener_ports:
            load_balancer.add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), "the internet")
        acknowledge(
            load_balancer,
            "The load balancer is the platform's door to the internet; only its listeners' ports are open.",
            "AwsSolutions-EC23",
        )
        self._connect(load_balancer, service, service_port, "requests and health checks")
        self._connect(service, database, 5432, "PostgreSQL")
        self._connect(service, cache, 6379, "Valkey")
        self._connect(database_functions, database, 5432, "PostgreSQL")
        self._connect(cache_functions, cache, 6379, "Valkey")
        for group in (service, database_functions, cache_functions, functions):
            group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS APIs")
        self.load_balancer, self.service = self._closed(load_balancer), self._closed(service)
        self.database, self.cache = self._closed(database), self._closed(cache)
        self.database_functions = self._closed(database_functions)
        self.cache_functions, self.functions = self._closed(cache_functions), self._closed(functions)

    def _group(self, name: str, what: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, name, vpc=self._vpc, description=what, allow_all_outbound=False)

    def _closed(self, group: ec2.SecurityGroup) -> ec2.ISecurityGroup:
        return ec2.SecurityGroup.from_security_group_id(
            self, f"Closed{group.node.id}", group.security_group_id, mutable=False
        )

    def _connect(self, source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int, what: str) -> None:
        """Let one group reach another.

        The L2's rules are identified by the whole path of the other group, which a pipeline would change:
        CloudFormation would then make each rule a second time, and EC2 refuses duplicates.
        """
        rule = f"{source.node.id}To{target.node.id}"
        ec2.CfnSecurityGroupEgress(
            self,
            f"{rule}Egress",
            group_id=source.security_group_id,
            destination_security_group_id=target.security_group_id,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=what,
        )
        ec2.CfnSecurityGroupIngress(
            self,
            f"{rule}Ingress",
            group_id=target.security_group_id,
            source_security_group_id=source.security_group_id,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=what,
        )
