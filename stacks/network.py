"""Network: the VPC and all security groups."""

from dataclasses import dataclass

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from gantry.monitoring.alarm import AlarmDefaults
from gantry.monitoring.ingress_alarms import PortAllocationAlarm
from gantry.network.security_groups import RestoreTestGroups, SecurityGroups
from gantry.network.vpc import InterfaceEndpoints, PlatformNetwork
from stacks.layer import LayerStack, log_defaults
from stacks.settings import Settings
from stacks.state import StateRefs


@dataclass(frozen=True, kw_only=True)
class NetworkRefs:
    """What later layers use of the network layer."""

    vpc: ec2.IVpc
    load_balancer_group: ec2.ISecurityGroup
    service_group: ec2.ISecurityGroup
    database_group: ec2.ISecurityGroup
    cache_group: ec2.ISecurityGroup
    database_functions_group: ec2.ISecurityGroup
    cache_functions_group: ec2.ISecurityGroup
    functions_group: ec2.ISecurityGroup
    restore_test_groups: RestoreTestGroups | None
    database_proxy_group: ec2.ISecurityGroup | None
    alarms: tuple[str, ...]


class NetworkStack(LayerStack):
    """The VPC over the environment's zones, its flow logs, and who may talk to whom."""

    def __init__(self, scope: Construct, *, settings: Settings, state: StateRefs) -> None:
        super().__init__(scope, "network", settings=settings, description="Gantry: VPC and security groups")
        network = PlatformNetwork(
            self,
            "Network",
            name=settings.full_name,
            cidr=settings.network.cidr,
            availability_zones=settings.availability_zones,
            nat_gateways=settings.network.nat_gateways,
            log_defaults=log_defaults(self, settings=settings, key=state.logs_key),
        )
        groups = SecurityGroups(
            self,
            "SecurityGroups",
            vpc=network.vpc,
            listener_ports=settings.listener_ports,
            endpoints=settings.network.interface_endpoints,
            s3_prefix_list=settings.network.s3_prefix_lists.get(settings.region),
            with_restore_tests=settings.backup.tests_restores,
            with_database_proxy=settings.aurora.proxy,
        )
        if groups.endpoint is not None:
            InterfaceEndpoints(
                self,
                "Endpoints",
                vpc=network.vpc,
                services=settings.network.interface_endpoints,
                security_group=groups.endpoint,
            )
        ports = PortAllocationAlarm(
            self,
            "NatPortAllocation",
            alarm_defaults=AlarmDefaults(
                prefix=settings.full_name,
                topic=state.alert_topic,
                runbook=settings.runbook("troubleshooting.md"),
            ),
            gateways=network.nat_gateways,
        )
        self.refs = NetworkRefs(
            vpc=network.vpc,
            load_balancer_group=groups.load_balancer,
            service_group=groups.service,
            database_group=groups.database,
            cache_group=groups.cache,
            database_functions_group=groups.database_functions,
            cache_functions_group=groups.cache_functions,
            functions_group=groups.functions,
            restore_test_groups=groups.restore_tests,
            database_proxy_group=groups.database_proxy,
            alarms=(ports.full_name,),
        )
