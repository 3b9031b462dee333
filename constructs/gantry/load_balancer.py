"""The public load balancer."""

from aws_cdk import Duration
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_s3 as s3
from constructs import Construct

from gantry.log_buckets import ACCESS_LOG_PREFIX
from gantry.nag import HIPAA, NIST, PCI, acknowledge, shared


class PublicLoadBalancer(Construct):
    """An internet-facing Application Load Balancer in front of one target group.

    With a certificate it serves HTTPS and redirects HTTP to it; without one it serves HTTP.

    Parameters
    ----------
    vpc, security_group
        Where it lives: in public subnets, behind this group alone.
    port, health_path
        Of the targets.
    certificate_arn
        Turns HTTPS on.
    access_logs
        Bucket for the request log, under the prefix that its policy allows.
    deregistration_delay
        How long a leaving target may finish what it began.
    deletion_protection
        Whether deleting it must be allowed first.

    Attributes
    ----------
    load_balancer, target_group
        The load balancer and the group of its targets.
    url
        Where the world finds it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        security_group: ec2.ISecurityGroup,
        port: int,
        health_path: str,
        certificate_arn: str | None,
        access_logs: s3.IBucket,
        deregistration_delay: Duration,
        deletion_protection: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self.load_balancer = elbv2.ApplicationLoadBalancer(
            self,
            "LoadBalancer",
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
            internet_facing=True,
            security_group=security_group,
            drop_invalid_header_fields=True,
            desync_mitigation_mode=elbv2.DesyncMitigationMode.DEFENSIVE,
            deletion_protection=deletion_protection,
        )
        self.load_balancer.set_attribute("access_logs.s3.enabled", "true")
        self.load_balancer.set_attribute("access_logs.s3.bucket", access_logs.bucket_name)
        self.load_balancer.set_attribute("access_logs.s3.prefix", ACCESS_LOG_PREFIX)
        self.target_group = elbv2.ApplicationTargetGroup(
            self,
            "Targets",
            vpc=vpc,
            port=port,
            protocol=elbv2.ApplicationProtocol.HTTP,
            target_type=elbv2.TargetType.IP,
            deregistration_delay=deregistration_delay,
            load_balancing_algorithm_type=elbv2.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
            health_check=elbv2.HealthCheck(
                path=health_path,
                healthy_http_codes="200",
                interval=Duration.seconds(10),
                timeout=Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=3,
            ),
        )
        self._listen(certificate_arn)
        scheme = "http" if certificate_arn is None else "https"
        self.url = f"{scheme}://{self.load_balancer.load_balancer_dns_name}"

    def _listen(self, certificate_arn: str | None) -> None:
        """Listen on port 80 in any case: another listener for it could not be made before this one goes."""
        # `open=False`: who may come in is the network layer's to say.
        if certificate_arn is None:
            self.load_balancer.add_listener(
                "Http", port=80, open=False, default_target_groups=[self.target_group]
            )
            return
        http = self.load_balancer.add_listener(
            "Http",
            port=80,
            open=False,
            default_action=elbv2.ListenerAction.redirect(protocol="HTTPS", port="443", permanent=True),
        )
        acknowledge(
            http,
            "It answers every request with a redirect to HTTPS, and so needs no certificate.",
            *shared("ELBv2ACMCertificateRequired", (NIST, HIPAA, PCI)),
        )
        # Metrics find the load balancer by the group's first listener: by the one that is always there, or
        # other layers would import what goes when HTTPS is turned on.
        self.target_group.register_listener(http)
        https = self.load_balancer.add_listener(
            "Https",
            port=443,
            open=False,
            certificates=[acm.Certificate.from_certificate_arn(self, "Certificate", certificate_arn)],
            ssl_policy=elbv2.SslPolicy.RECOMMENDED_TLS,
            default_target_groups=[self.target_group],
        )
        http.node.add_dependency(https)
