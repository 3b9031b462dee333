"""The platform's door: load balancer, listeners and WAF."""

from aws_cdk import Duration
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

_MANAGED_RULES = (
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesAmazonIpReputationList",
)


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
        Bucket for the request log, delivered with SSE-S3.
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
        self.load_balancer.set_attribute("access_logs.s3.prefix", "alb")
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
        # `open=False`: who may come in is the network layer's to say.
        if certificate_arn is None:
            self.load_balancer.add_listener(
                "Http", port=80, open=False, default_target_groups=[self.target_group]
            )
        else:
            self.load_balancer.add_redirect(open=False)
            self.load_balancer.add_listener(
                "Https",
                port=443,
                open=False,
                certificates=[acm.Certificate.from_certificate_arn(self, "Certificate", certificate_arn)],
                ssl_policy=elbv2.SslPolicy.RECOMMENDED_TLS,
                default_target_groups=[self.target_group],
            )
        scheme = "http" if certificate_arn is None else "https"
        self.url = f"{scheme}://{self.load_balancer.load_balancer_dns_name}"


class WebFirewall(Construct):
    """AWS's managed rules and a rate limit for each address, in front of a load balancer.

    Parameters
    ----------
    name
        Name of the web ACL and prefix of its metrics.
    load_balancer
        What it protects.
    requests_per_five_minutes
        More from one address are refused with 403.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        load_balancer: elbv2.IApplicationLoadBalancer,
        requests_per_five_minutes: int,
    ) -> None:
        super().__init__(scope, construct_id)
        rate_limit = wafv2.CfnWebACL.RuleProperty(
            name="rate-limit",
            priority=0,
            action=wafv2.CfnWebACL.RuleActionProperty(block={}),
            statement=wafv2.CfnWebACL.StatementProperty(
                rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
                    aggregate_key_type="IP", limit=requests_per_five_minutes
                )
            ),
            visibility_config=_visibility(f"{name}-rate-limit"),
        )
        managed = [_managed_rule(rules, priority) for priority, rules in enumerate(_MANAGED_RULES, start=1)]
        self.web_acl = wafv2.CfnWebACL(
            self,
            "WebAcl",
            name=name,
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visibility(name),
            rules=[rate_limit, *managed],
        )
        wafv2.CfnWebACLAssociation(
            self,
            "Association",
            resource_arn=load_balancer.load_balancer_arn,
            web_acl_arn=self.web_acl.attr_arn,
        )


def _managed_rule(name: str, priority: int) -> wafv2.CfnWebACL.RuleProperty:
    return wafv2.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
        statement=wafv2.CfnWebACL.StatementProperty(
            managed_rule_group_statement=wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS", name=name
            )
        ),
        visibility_config=_visibility(name),
    )


def _visibility(metric: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=True
    )
