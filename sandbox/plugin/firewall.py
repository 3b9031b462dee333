"""WAFv2: what a web ACL refuses at its load balancer, as far as the local one can.

Of AWS's core rule set those on the size of a request and on a missing User-Agent. Nothing else has behaviour:
the length of a query, rates, lists of addresses, and what looks like an attack.
https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html
"""

from collections.abc import Callable
from typing import Any

from ministack.services import alb, waf

from sandbox.load_balancer.traefik import BLOCKING_RULES
from sandbox.plugin.patching import wrap
from sandbox.plugin.resource_types import Create, Delete, Properties, Provisioned, follow_changes, handlers

Record = dict[str, Any]

# On ministack's record of a load balancer.
_WEB_ACL = "_web_acl"
_CORE_RULES = "AWSManagedRulesCommonRuleSet"


def follow(serve: Callable[[str], None]) -> None:
    """Have a load balancer served again when its web ACL is another one, or has other rules."""
    entry = handlers("AWS::WAFv2::WebACLAssociation")

    @wrap(entry, "create")
    def create(original: Create, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        provisioned = original(logical_id, properties, stack_name)
        associate(properties["ResourceArn"], properties["WebACLArn"])
        return provisioned

    @wrap(entry, "delete")
    def delete(original: Delete, physical_id: str, properties: Properties) -> None:
        original(physical_id, properties)
        associate(physical_id.partition("|")[0], "")

    def associate(load_balancer: str, web_acl: str) -> None:
        if load_balancer in alb._lbs:
            alb._lbs[load_balancer][_WEB_ACL] = web_acl
            serve(load_balancer)

    def changed(provisioned: Provisioned, props: Properties) -> Provisioned:
        del props
        for arn, record in list(alb._lbs.items()):
            if record.get(_WEB_ACL) == provisioned[1].get("Arn"):
                serve(arn)
        return provisioned

    follow_changes(handlers("AWS::WAFv2::WebACL"), changed)


def blocking_rules(load_balancer: str) -> tuple[str, ...]:
    """Return the rules by which the web ACL of a load balancer refuses requests here."""
    arn = alb._lbs[load_balancer].get(_WEB_ACL)
    rules: list[Record] = next((each["Rules"] for each in waf._web_acls.values() if each["ARN"] == arn), [])
    groups = [each for each in rules if _managed(each).get("Name") == _CORE_RULES]
    if not groups or "Count" in groups[0].get("OverrideAction", {}):
        return ()
    overrides = _managed(groups[0]).get("RuleActionOverrides", [])
    passing = {each["Name"] for each in overrides if "Block" not in each["ActionToUse"]}
    return tuple(each for each in BLOCKING_RULES if each not in passing)


def _managed(rule: Record) -> Record:
    statement: Record = rule.get("Statement", {}).get("ManagedRuleGroupStatement", {})
    return statement
