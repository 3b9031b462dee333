"""The web application firewall in front of a load balancer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from contract import log_groups
from gantry.monitoring.log_groups import LogDefaults

_SECRET_HEADERS = ("authorization", "cookie")


class WebFirewall(Construct):
    """Lists of addresses, a rate limit for each address and AWS's managed rules, in front of a load balancer.

    What it refuses or counts is logged, without the headers that carry credentials. All rules together stay
    within the 1500 capacity units of the basic price.

    Parameters
    ----------
    name
        Name of the web ACL, and in the names of its metrics and its log group.
    load_balancer
        What it protects.
    requests_per_five_minutes
        More from one address are refused with 403.
    managed_groups
        AWS's groups of rules, in the order in which they look at a request, each with those of its rules that
        count what they find instead of blocking it.
    allowed_addresses, blocked_addresses
        IPv4 ranges whose requests pass, or are refused, whatever the other rules say.
    log_defaults
        Of its log group.

    Attributes
    ----------
    web_acl, log_group_name
        The web ACL, and the name of its log.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        load_balancer: elbv2.IApplicationLoadBalancer,
        requests_per_five_minutes: int,
        managed_groups: Mapping[str, Sequence[str]],
        log_defaults: LogDefaults,
        allowed_addresses: Sequence[str] = (),
        blocked_addresses: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        self._name = name
        rules = [
            *self._addresses("Allowed", allowed_addresses, wafv2.CfnWebACL.RuleActionProperty(allow={})),
            *self._addresses("Blocked", blocked_addresses, wafv2.CfnWebACL.RuleActionProperty(block={})),
            _rate_limit(requests_per_five_minutes),
            *(_managed_group(group, counted) for group, counted in managed_groups.items()),
        ]
        self.web_acl = wafv2.CfnWebACL(
            self,
            "WebAcl",
            name=name,
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visibility(name),
            rules=[
                wafv2.CfnWebACL.RuleProperty(priority=priority, **rule) for priority, rule in enumerate(rules)
            ],
        )
        wafv2.CfnWebACLAssociation(
            self,
            "Association",
            resource_arn=load_balancer.load_balancer_arn,
            web_acl_arn=self.web_acl.attr_arn,
        )
        self.log_group_name = log_groups.firewall(name)
        self._log(log_defaults)

    def _addresses(
        self, kind: str, ranges: Sequence[str], action: wafv2.CfnWebACL.RuleActionProperty
    ) -> Iterator[dict[str, Any]]:
        """Yield the rule on a list of addresses, if there are any."""
        if not ranges:
            return
        name = f"{kind.lower()}-addresses"
        addresses = wafv2.CfnIPSet(
            self,
            f"{kind}Addresses",
            name=f"{self._name}-{name}",
            scope="REGIONAL",
            ip_address_version="IPV4",
            addresses=list(ranges),
        )
        reference = wafv2.CfnWebACL.IPSetReferenceStatementProperty(arn=addresses.attr_arn)
        statement = wafv2.CfnWebACL.StatementProperty(ip_set_reference_statement=reference)
        yield _rule(name, statement, action=action)

    def _log(self, log_defaults: LogDefaults) -> None:
        group = log_defaults.group(self, full_name=self.log_group_name)
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


def _rate_limit(requests_per_five_minutes: int) -> dict[str, Any]:
    statement = wafv2.CfnWebACL.RateBasedStatementProperty(
        aggregate_key_type="IP", evaluation_window_sec=300, limit=requests_per_five_minutes
    )
    return _rule(
        "rate-limit",
        wafv2.CfnWebACL.StatementProperty(rate_based_statement=statement),
        action=wafv2.CfnWebACL.RuleActionProperty(block={}),
    )


def _managed_group(name: str, counted: Sequence[str]) -> dict[str, Any]:
    count = wafv2.CfnWebACL.RuleActionProperty(count={})
    overrides = [
        wafv2.CfnWebACL.RuleActionOverrideProperty(name=rule, action_to_use=count) for rule in counted
    ]
    statement = wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
        vendor_name="AWS", name=name, rule_action_overrides=overrides or None
    )
    return _rule(
        name,
        wafv2.CfnWebACL.StatementProperty(managed_rule_group_statement=statement),
        override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
    )


def _rule(name: str, statement: wafv2.CfnWebACL.StatementProperty, **action: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a rule without its priority, which is its place among the others."""
    return {"name": name, "statement": statement, "visibility_config": _visibility(name), **action}


def _visibility(metric: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=True
    )
