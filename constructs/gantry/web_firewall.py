"""The web application firewall in front of a load balancer."""

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

# In the order in which they look at a request; together within the 1500 capacity units of the basic price.
_MANAGED_RULES = (
    "AWSManagedRulesAmazonIpReputationList",
    "AWSManagedRulesKnownBadInputsRuleSet",
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesSQLiRuleSet",
)
_SECRET_HEADERS = ("authorization", "cookie")


def log_group_name(name: str) -> str:
    """Return the name of a firewall's log group; WAF logs to no group that is named otherwise."""
    return f"aws-waf-logs-{name}"


class WebFirewall(Construct):
    """AWS's managed rules and a rate limit for each address, in front of a load balancer.

    What it refuses is logged, without the headers that carry credentials.

    Parameters
    ----------
    name
        Name of the web ACL, and in the names of its metrics and its log group.
    load_balancer
        What it protects.
    requests_per_five_minutes
        More from one address are refused with 403.
    logs_key, log_retention
        Of its log.

    Attributes
    ----------
    web_acl
        The web ACL.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        load_balancer: elbv2.IApplicationLoadBalancer,
        requests_per_five_minutes: int,
        logs_key: kms.IKey,
        log_retention: logs.RetentionDays,
    ) -> None:
        super().__init__(scope, construct_id)
        rate_limit = wafv2.CfnWebACL.RuleProperty(
            name="rate-limit",
            priority=0,
            action=wafv2.CfnWebACL.RuleActionProperty(block={}),
            statement=wafv2.CfnWebACL.StatementProperty(
                rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
                    aggregate_key_type="IP", evaluation_window_sec=300, limit=requests_per_five_minutes
                )
            ),
            visibility_config=_visibility("rate-limit"),
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
        self._log(name, logs_key, log_retention)

    def _log(self, name: str, key: kms.IKey, retention: logs.RetentionDays) -> None:
        group = logs.LogGroup(
            self,
            "LogGroup",
            log_group_name=log_group_name(name),
            encryption_key=key,
            retention=retention,
            removal_policy=RemovalPolicy.DESTROY,
        )
        # WAF wants the ARN without the `:*` that the group's own attribute carries.
        destination = Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name=group.log_group_name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        refused = [
            {"ActionCondition": {"Action": action}} for action in ("BLOCK", "COUNT", "CAPTCHA", "CHALLENGE")
        ]
        wafv2.CfnLoggingConfiguration(
            self,
            "Logging",
            resource_arn=self.web_acl.attr_arn,
            log_destination_configs=[destination],
            logging_filter={
                "DefaultBehavior": "DROP",
                "Filters": [{"Behavior": "KEEP", "Requirement": "MEETS_ANY", "Conditions": refused}],
            },
            redacted_fields=[
                wafv2.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": header})
                for header in _SECRET_HEADERS
            ],
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
