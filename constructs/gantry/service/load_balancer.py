"""The public load balancer."""

from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_s3 as s3
from constructs import Construct

from contract.service import HEALTH_PATH, PORT
from gantry.nag import HIPAA, NIST, PCI, acknowledge, shared
from gantry.security.log_buckets import ACCESS_LOG_PREFIX
from gantry.service.deployment import AlternateTarget


@dataclass(frozen=True, kw_only=True)
class Ingress:
    """The load balancer and its target groups, as later stacks use them.

    Attributes
    ----------
    load_balancer
        The load balancer.
    target_group, alternate_target_group
        Its targets. With two groups each deployment moves the traffic from one to the other.
    """

    load_balancer: elbv2.IApplicationLoadBalancer
    target_group: elbv2.IApplicationTargetGroup
    alternate_target_group: elbv2.IApplicationTargetGroup | None

    @property
    def target_groups(self) -> dict[str, elbv2.IApplicationTargetGroup]:
        """The target groups by label: "" and, where there is one, "alternate"."""
        alternate = self.alternate_target_group
        return {"": self.target_group} | ({} if alternate is None else {"alternate": alternate})

    @property
    def request_metrics(self) -> elbv2.IApplicationLoadBalancerMetrics | elbv2.IApplicationTargetGroupMetrics:
        """Where the service's requests are measured, whichever group serves them."""
        alone = self.alternate_target_group is None
        return self.target_group.metrics if alone else self.load_balancer.metrics


class PublicLoadBalancer(Construct):
    """An internet-facing Application Load Balancer in front of the service's target group.

    With a certificate it serves HTTPS and redirects HTTP to it; without one it serves HTTP. With an
    alternate target group a rule for every path forwards to both groups, so that no listener changes when
    it is added or removed.

    Parameters
    ----------
    vpc, security_group
        Its VPC, where it is in public subnets, and its security group.
    certificate
        Turns HTTPS on.
    access_logs
        Bucket for the request log, under the prefix that its policy allows; None logs no request.
    alternate
        Whether there is a second target group, for deployments that move traffic.
    deregistration_delay
        How long a deregistering target may finish open requests.
    deletion_protection
        Whether AWS refuses to delete it; it is then retained when its stack is deleted.

    Attributes
    ----------
    load_balancer, target_group
        The load balancer and the group of its targets.
    alternate
        The second target group with its rule, if there is one.
    ingress
        All of these, as other layers see them.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        security_group: ec2.ISecurityGroup,
        deregistration_delay: Duration,
        certificate: acm.ICertificate | None = None,
        access_logs: s3.IBucket | None = None,
        alternate: bool = False,
        deletion_protection: bool = True,
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
        if deletion_protection:
            self.load_balancer.apply_removal_policy(RemovalPolicy.RETAIN)
        else:
            acknowledge(
                self.load_balancer,
                "It holds no data, and where data is kept its stack's termination protection protects it; "
                "deletion protection would keep it when its creation is rolled back.",
                *shared("ELBDeletionProtectionEnabled", (NIST, HIPAA)),
            )
        # "Enable zonal shift for your Application Load Balancer": off by default, and it costs nothing.
        self.load_balancer.set_attribute("zonal_shift.config.enabled", "true")
        self._log_requests(access_logs)
        self._vpc, self._deregistration_delay = vpc, deregistration_delay
        self.target_group = self._targets("Targets")
        listener = self._listen(certificate)
        self.alternate = self._alternate(listener) if alternate else None
        self.ingress = Ingress(
            load_balancer=self.load_balancer,
            target_group=self.target_group,
            alternate_target_group=None if self.alternate is None else self.alternate.target_group,
        )

    def _log_requests(self, bucket: s3.IBucket | None) -> None:
        if bucket is None:
            acknowledge(
                self.load_balancer,
                "The setting load_balancer.access_logs is false.",
                "AwsSolutions-ELB2",
                *shared("ELBLoggingEnabled", (NIST, HIPAA, PCI)),
            )
            # AWS keeps an attribute that an update leaves out.
            self.load_balancer.set_attribute("access_logs.s3.enabled", "false")
            return
        self.load_balancer.set_attribute("access_logs.s3.enabled", "true")
        self.load_balancer.set_attribute("access_logs.s3.bucket", bucket.bucket_name)
        self.load_balancer.set_attribute("access_logs.s3.prefix", ACCESS_LOG_PREFIX)

    def _targets(self, construct_id: str) -> elbv2.ApplicationTargetGroup:
        return elbv2.ApplicationTargetGroup(
            self,
            construct_id,
            vpc=self._vpc,
            port=PORT,
            protocol=elbv2.ApplicationProtocol.HTTP,
            target_type=elbv2.TargetType.IP,
            deregistration_delay=self._deregistration_delay,
            load_balancing_algorithm_type=elbv2.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
            health_check=elbv2.HealthCheck(
                path=HEALTH_PATH,
                healthy_http_codes="200",
                interval=Duration.seconds(10),
                timeout=Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=3,
            ),
        )

    def _listen(self, certificate: acm.ICertificate | None) -> elbv2.ApplicationListener:
        """Keep one listener on port 80: CloudFormation could not make another before it deletes the first."""
        # `open=False`: the security groups of the network stack decide who may connect.
        if certificate is None:
            return self.load_balancer.add_listener(
                "Http", port=80, open=False, default_target_groups=[self.target_group]
            )
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
        # A target group's metrics name the load balancer by the group's first listener. That is the one which
        # is always there; else other stacks would import the HTTPS listener, which comes and goes.
        self.target_group.register_listener(http)
        https = self.load_balancer.add_listener(
            "Https",
            port=443,
            open=False,
            certificates=[certificate],
            ssl_policy=elbv2.SslPolicy.RECOMMENDED_TLS,
            default_target_groups=[self.target_group],
        )
        http.node.add_dependency(https)
        return https

    def _alternate(self, listener: elbv2.ApplicationListener) -> AlternateTarget:
        target_group = self._targets("AlternateTargets")
        # ECS changes these weights. This rule must never change: an update would reset them.
        rule = elbv2.ApplicationListenerRule(
            self,
            "Production",
            listener=listener,
            priority=1,
            conditions=[elbv2.ListenerCondition.path_patterns(["*"])],
            action=elbv2.ListenerAction.weighted_forward(
                [
                    elbv2.WeightedTargetGroup(target_group=self.target_group, weight=100),
                    elbv2.WeightedTargetGroup(target_group=target_group, weight=0),
                ]
            ),
        )
        return AlternateTarget(target_group=target_group, rule=rule)
