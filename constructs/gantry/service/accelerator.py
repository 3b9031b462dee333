"""AWS Global Accelerator: fixed addresses that route to the nearest healthy region."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_globalaccelerator as globalaccelerator
from aws_cdk import aws_s3 as s3
from constructs import Construct

from gantry.security.log_buckets import FLOW_LOG_PREFIX


class Accelerator(Construct):
    """An accelerator with one listener, to which each region adds its endpoint group.

    Parameters
    ----------
    name
        Name of the accelerator.
    ports
        Ports that it forwards.
    flow_logs
        Bucket for its flow logs, under the prefix that the bucket's policy allows.

    Attributes
    ----------
    dns_name
        Where the world finds it.
    listener_arn
        Its listener.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, ports: Sequence[int], flow_logs: s3.IBucket
    ) -> None:
        super().__init__(scope, construct_id)
        # The L2 does not know flow logs.
        accelerator = globalaccelerator.CfnAccelerator(
            self,
            "Accelerator",
            name=name,
            ip_address_type="IPV4",
            flow_logs_enabled=True,
            flow_logs_s3_bucket=flow_logs.bucket_name,
            flow_logs_s3_prefix=FLOW_LOG_PREFIX,
        )
        listener = globalaccelerator.CfnListener(
            self,
            "Listener",
            accelerator_arn=accelerator.attr_accelerator_arn,
            protocol="TCP",
            port_ranges=[
                globalaccelerator.CfnListener.PortRangeProperty(from_port=port, to_port=port)
                for port in ports
            ],
        )
        self.dns_name = accelerator.attr_dns_name
        self.listener_arn = listener.attr_listener_arn


class RegionalEndpoint(Construct):
    """The endpoint group of a region: its load balancer, whose own health checks count.

    Parameters
    ----------
    listener_arn
        Of the accelerator, wherever that was made.
    load_balancer
        The endpoint. It sees the clients' own addresses.
    traffic_dial_percent
        Share of its traffic that the region takes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        listener_arn: str,
        load_balancer: elbv2.IApplicationLoadBalancer,
        traffic_dial_percent: int,
    ) -> None:
        super().__init__(scope, construct_id)
        globalaccelerator.CfnEndpointGroup(
            self,
            "EndpointGroup",
            listener_arn=listener_arn,
            endpoint_group_region=Stack.of(self).region,
            traffic_dial_percentage=traffic_dial_percent,
            endpoint_configurations=[
                globalaccelerator.CfnEndpointGroup.EndpointConfigurationProperty(
                    endpoint_id=load_balancer.load_balancer_arn, client_ip_preservation_enabled=True
                )
            ],
        )
