"""Settings of the web application firewall in front of the load balancer."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, get_args

from pydantic import Field

from stacks.settings.model import Problem, SettingsModel

# The rules of AWS's managed groups, which are named in docs/service-contract.md as far as they matter there:
# https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
_ReputationRule = Literal["AWSManagedIPReputationList", "AWSManagedReconnaissanceList"]
_BadInputRule = Literal[
    "ExploitablePaths_URIPATH",
    "Host_localhost_HEADER",
    "JavaDeserializationRCE_BODY",
    "JavaDeserializationRCE_HEADER",
    "JavaDeserializationRCE_QUERYSTRING",
    "JavaDeserializationRCE_URIPATH",
    "Log4JRCE_BODY",
    "Log4JRCE_HEADER",
    "Log4JRCE_QUERYSTRING",
    "Log4JRCE_URIPATH",
    "PROPFIND_METHOD",
    "ReactJSRCE_BODY",
]
_CommonRule = Literal[
    "CrossSiteScripting_BODY",
    "CrossSiteScripting_COOKIE",
    "CrossSiteScripting_QUERYARGUMENTS",
    "CrossSiteScripting_URIPATH",
    "EC2MetaDataSSRF_BODY",
    "EC2MetaDataSSRF_COOKIE",
    "EC2MetaDataSSRF_QUERYARGUMENTS",
    "EC2MetaDataSSRF_URIPATH",
    "GenericLFI_BODY",
    "GenericLFI_QUERYARGUMENTS",
    "GenericLFI_URIPATH",
    "GenericRFI_BODY",
    "GenericRFI_QUERYARGUMENTS",
    "GenericRFI_URIPATH",
    "NoUserAgent_HEADER",
    "RestrictedExtensions_QUERYARGUMENTS",
    "RestrictedExtensions_URIPATH",
    "SizeRestrictions_BODY",
    "SizeRestrictions_Cookie_HEADER",
    "SizeRestrictions_QUERYSTRING",
    "SizeRestrictions_URIPATH",
    "UserAgent_BadBots_HEADER",
]
_SqlRule = Literal[
    "SQLiExtendedPatterns_BODY",
    "SQLiExtendedPatterns_QUERYARGUMENTS",
    "SQLi_BODY",
    "SQLi_COOKIE",
    "SQLi_QUERYARGUMENTS",
]
_Rule = Literal[_ReputationRule, _BadInputRule, _CommonRule, _SqlRule]
# In the order in which they look at a request.
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "AWSManagedRulesAmazonIpReputationList": get_args(_ReputationRule),
    "AWSManagedRulesKnownBadInputsRuleSet": get_args(_BadInputRule),
    "AWSManagedRulesCommonRuleSet": get_args(_CommonRule),
    "AWSManagedRulesSQLiRuleSet": get_args(_SqlRule),
}
_Address = Annotated[str, Field(pattern=r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$", examples=["203.0.113.0/24"])]


class FirewallSettings(SettingsModel):
    """What AWS WAF refuses before it reaches the service."""

    requests_per_five_minutes: int = Field(
        2000, ge=10, le=2_000_000_000, description="Requests that pass from one address."
    )
    counted_rules: tuple[_Rule, ...] = Field(
        ("SizeRestrictions_BODY",),
        strict=False,
        description="Managed rules whose requests are counted and pass; all others block. By default that on "
        "bodies over 8 KB, so that the service's own limit counts.",
    )
    allowed_addresses: tuple[_Address, ...] = Field(
        (), strict=False, description="IPv4 ranges whose requests always pass, whatever the rules say."
    )
    blocked_addresses: tuple[_Address, ...] = Field(
        (), strict=False, description="IPv4 ranges whose requests are always refused."
    )

    @property
    def managed_groups(self) -> dict[str, tuple[str, ...]]:
        """AWS's groups of rules, in their order, each with its rules that only count."""
        return {
            group: tuple(rule for rule in rules if rule in self.counted_rules)
            for group, rules in _GROUPS.items()
        }

    def _problems(self) -> Iterator[Problem]:
        lists = {
            "counted_rules": self.counted_rules,
            "allowed_addresses": self.allowed_addresses,
            "blocked_addresses": self.blocked_addresses,
        }
        for key, values in lists.items():
            if len(set(values)) < len(values):
                yield Problem(key, values, "must differ from each other")
        for key in ("allowed_addresses", "blocked_addresses"):
            for address in lists[key]:
                if not _is_range(address):
                    allowed = "must be IPv4 ranges of /1 to /32 without host bits, as in 203.0.113.0/24"
                    yield Problem(key, address, allowed)
        both = sorted(set(self.allowed_addresses) & set(self.blocked_addresses))
        if both:
            yield Problem("blocked_addresses", both, "must not be in allowed_addresses, which come first")


def _is_range(address: str) -> bool:
    """Return whether WAF takes a range: it has no /0."""
    try:
        return ipaddress.IPv4Network(address).prefixlen > 0
    except ValueError:
        return False
