"""Charges of security: keys, secrets, the web firewall, threat detection."""

from collections.abc import Iterator
from decimal import Decimal

from ops.assembly import Resource
from ops.cost.usage import Charge, Context, Unknown, Usage

# Managed rule groups with a price of their own on top of a rule's (AWS WAF pricing).
_PAID_RULE_GROUPS = {
    "AWSManagedRulesACFPRuleSet",
    "AWSManagedRulesATPRuleSet",
    "AWSManagedRulesAntiDDoSRuleSet",
    "AWSManagedRulesBotControlRuleSet",
}
_CHARGED_ROTATIONS = Decimal(2)


def _key(key: Resource, context: Context) -> Iterator[Usage | Unknown]:
    yield Usage("customer managed key", "key-month", Decimal(1))
    primaries = context.referents(key, "AWS::KMS::Key") or [key]
    if any(each.get("EnableKeyRotation") for each in primaries):
        # The first and the second rotation of a key add a month's price each (AWS KMS pricing).
        rotations = min(context.assumptions.key_rotations, _CHARGED_ROTATIONS)
        yield Usage("its rotations", "key-month", rotations)


def _secret(_: Resource, __: Context) -> Iterator[Usage | Unknown]:
    yield Usage("secret", "secret-month", Decimal(1))


def _firewall(firewall: Resource, context: Context) -> Iterator[Usage | Unknown]:
    rules = firewall.get("Rules", default=())
    yield Usage("web ACL", "firewall-month", Decimal(1))
    yield Usage(f"{len(rules)} rules", "firewall-rule-month", Decimal(len(rules)))
    yield Usage("requests inspected", "firewall-million-requests", context.workload.million_requests)
    for rule in rules:
        group = rule.get("Statement", {}).get("ManagedRuleGroupStatement", {}).get("Name")
        if group in _PAID_RULE_GROUPS:
            yield Unknown(group, "this managed rule group has a price of its own, which is not recorded")


def _detector(_: Resource, context: Context) -> Iterator[Usage | Unknown]:
    assumed = context.assumptions
    yield Usage("management events", "threat-detection-million-events", assumed.account_events_millions)
    flow_logs = assumed.idle_log_gb + context.workload.gigabytes(assumed.flow_log_kb)
    yield Usage("flow logs and DNS queries", "threat-detection-gb", flow_logs)
    yield Unknown("protection plans of GuardDuty", "each that is on is charged by what it watches")


def _trail(trail: Resource, context: Context) -> Iterator[Usage | Unknown]:
    """Charge what a trail records besides the first copy of management events, which has no charge."""
    if trail.get("InsightSelectors"):
        events = context.assumptions.account_events_millions * 10
        yield Usage("Insights", "trail-insights-hundred-thousand-events", events)
    selectors = [*trail.get("EventSelectors", default=()), *trail.get("AdvancedEventSelectors", default=())]
    if any(
        selector.get("DataResources") or "Data" in str(selector.get("FieldSelectors"))
        for selector in selectors
    ):
        yield Unknown("data events", "charged for each event; their number follows the use of the data")


def _analyzer(analyzer: Resource, _: Context) -> Iterator[Usage | Unknown]:
    if "UNUSED" in str(analyzer.get("Type")):
        yield Unknown("unused access analysis", "charged for each role and user of the account")


CHARGES: dict[str, Charge] = {
    "AWS::AccessAnalyzer::Analyzer": _analyzer,
    "AWS::CloudTrail::Trail": _trail,
    "AWS::GuardDuty::Detector": _detector,
    "AWS::KMS::Key": _key,
    "AWS::KMS::ReplicaKey": _key,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::WAFv2::WebACL": _firewall,
}
