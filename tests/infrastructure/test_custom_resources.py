"""Custom resources: whatever ends a Create, CloudFormation can roll it back, and nothing is left.

The real functions run against models of AWS that refuse what the role of the template does not allow.
"""

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from unittest import mock

import pytest

from cache_user import handler as cache_user
from database_roles import handler as database_roles
from gantry_runtime import custom_resource, postgres
from gantry_runtime.custom_resource import ANSWER_SECONDS, NOT_MADE, PROMPT
from ops.assembly import Resource
from tests.aws.transport import AwsError, crash
from tests.infrastructure.custom_resources import Stack
from tests.infrastructure.synthesis import Synthesised, Synthesiser
from tests.infrastructure.test_iam_policies import COMBINATIONS, name_of

GENERATED = "gantry-prod-data-CacheUserDE8F01C1-1X2Y3Z4A5B6C"
# CloudFormation's own limit where a resource sets none ("AWS::CloudFormation::CustomResource").
_LONGEST_SERVICE_TIMEOUT = 3600
# The CDK's, and why a Delete after a cancelled Create does no harm; read in its handlers.
OF_THE_CDK = {
    "Custom::S3AutoDeleteObjects": "Create does nothing; Delete empties the bucket, or finds it gone",
    "Custom::VpcRestrictDefaultSG": "Delete fails where Create did nothing, so that it is never sent: Retain",
}


FUNCTIONS = {
    "Custom::CacheUser": cache_user.handler,
    "Custom::DatabaseRoles": database_roles.handler,
}


@pytest.fixture(params=["CacheUser/Resource", "CacheUser/Second", "DatabaseRoles/Resource"])
def new_stack(request: pytest.FixtureRequest, prod: Synthesised) -> Callable[[], Stack]:
    resource_type = f"Custom::{request.param.partition('/')[0]}"
    return lambda: Stack(prod, resource_type, FUNCTIONS[resource_type], path=request.param)


@pytest.fixture
def user(prod: Synthesised) -> Stack:
    return Stack(prod, "Custom::CacheUser", cache_user.handler, path="CacheUser/Resource")


def refuse() -> None:
    raise AwsError("AccessDeniedException", "not today")


def test_account_that_never_used_a_service_gets_the_resource(new_stack: Callable[[], Stack]) -> None:
    stack = new_stack()
    made = stack.request("Create")
    assert made is not None
    assert made["Status"] == "SUCCESS", made
    for kind in ("Update", "Delete"):
        answer = stack.request(kind, made["PhysicalResourceId"])
        assert answer is not None
        assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", made["PhysicalResourceId"])
    assert stack.cache.users == {}


@pytest.mark.parametrize("end", [refuse, crash])
@pytest.mark.parametrize("known", [True, False], ids=["answered", "generated"])
def test_create_that_fails_anywhere_is_undone(
    new_stack: Callable[[], Stack], end: Callable[[], None], known: bool
) -> None:
    for at in itertools.count(1):
        stack, happened = new_stack(), mock.Mock(side_effect=end)
        stack.cache.effect = lambda: timedelta(seconds=15)  # every look of a longer wait is the same
        stack.interruptions.arm(at, happened)
        failed = stack.request("Create")
        if not happened.called:
            assert at > 3
            return
        if end is refuse:
            assert failed is not None
            assert failed["Status"] == "FAILED"
        elif known:
            return  # there is no answer
        calls = len(stack.aws.calls)
        physical_id = failed["PhysicalResourceId"] if failed and known else GENERATED
        deleted = stack.request("Delete", physical_id)
        assert deleted is not None
        assert deleted["Status"] == "SUCCESS", deleted
        assert stack.cache.users == {}
        if physical_id == NOT_MADE:
            assert len(stack.aws.calls) == calls


def test_user_that_a_cancelled_create_makes_later_is_deleted(user: Stack) -> None:
    """CloudFormation gives up a Create that still runs as soon as another resource has failed."""
    sleep, made = user.clock.sleep, False

    def make_meanwhile(seconds: float) -> None:
        nonlocal made
        sleep(seconds)
        if not made and (user.clock.now() - began) > timedelta(seconds=100):
            made = True
            user.cache.first_call = lambda: None
            user.cache.create_user(user.properties["UserId"], "app", "valkey", "on", [48 * "0"])

    began = user.clock.now()
    with mock.patch.object(user.clock, "sleep", make_meanwhile):
        deleted = user.request("Delete", GENERATED)
    assert made
    assert deleted is not None
    assert deleted["Status"] == "SUCCESS"
    assert user.cache.users == {}


def test_service_linked_role_that_may_not_be_made_is_the_reason(user: Stack) -> None:
    """As where an organisation forbids it."""
    with mock.patch.object(
        user.cache, "first_call", mock.Mock(side_effect=AwsError("ServiceLinkedRoleNotFoundFault"))
    ):
        failed = user.request("Create")
    assert failed is not None
    assert failed["Status"] == "FAILED"
    assert "service-linked role" in failed["Reason"]
    deleted = user.request("Delete", failed["PhysicalResourceId"])
    assert deleted is not None
    assert deleted["Status"] == "SUCCESS"


@pytest.mark.parametrize("status", ["creating", "modifying", "deleting"])
@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_wait_that_never_ends_is_answered_in_time(user: Stack, kind: str, status: str) -> None:
    user.cache.first_call = lambda: None
    user_id = user.properties["UserId"]
    user.cache.create_user(user_id, "app", "valkey", "on", [48 * "0"])
    user.cache.users[user_id].status = status
    user.cache.users[user_id].effective_at = user.clock.now() + timedelta(days=1)
    answer = user.request(kind, None if kind == "Create" else user_id)
    assert answer is not None
    assert answer["Status"] == "FAILED"
    assert status in answer["Reason"] or "deleted" in answer["Reason"]


def test_second_wait_of_a_create_has_the_time_that_the_first_left(user: Stack) -> None:
    user.cache.first_call = lambda: None
    user_id = user.properties["UserId"]
    user.cache.create_user(user_id, "app", "valkey", "on", [48 * "0"])
    user.cache.users[user_id].effective_at = user.clock.now() + timedelta(seconds=400)
    user.cache.effect = lambda: timedelta(seconds=500)
    answer = user.request("Create")
    assert answer is not None
    assert answer["Status"] == "FAILED"


def custom_resources(platform: Synthesised) -> Iterator[tuple[Resource, Resource]]:
    """Yield every custom resource with its function."""
    for each in platform.assembly.resources:
        if each.type.startswith("Custom::") or each.type == "AWS::CloudFormation::CustomResource":
            (function,) = platform.assembly.referents(each, each.get("ServiceToken"))
            yield each, function


@pytest.fixture(params=COMBINATIONS, ids=name_of)
def variant(request: pytest.FixtureRequest, synthesise: Synthesiser) -> Synthesised:
    return synthesise(*request.param)


def test_every_custom_resource_is_tried_here_or_read(variant: Synthesised) -> None:
    assert {each.type for each, _ in custom_resources(variant)} <= set(FUNCTIONS) | set(OF_THE_CDK)


def test_restriction_of_the_default_group_is_never_undone(variant: Synthesised) -> None:
    template = variant.template("network")["Resources"]
    (restriction,) = [each for each in template.values() if each["Type"] == "Custom::VpcRestrictDefaultSG"]
    assert restriction["DeletionPolicy"] == "Retain"


def test_limits_of_call_function_and_resource_are_in_order(variant: Synthesised) -> None:
    """Waiting leaves time for a last call and the answer; CloudFormation waits longer than the function."""
    limits = vars(PROMPT)
    call = (limits["connect_timeout"] + limits["read_timeout"]) * limits["retries"]["total_max_attempts"]
    last = max(call, postgres._TIMEOUT_SECONDS) + custom_resource._PUT_SECONDS
    for resource, function in custom_resources(variant):
        timeout = function.get("Timeout")
        assert timeout < int(resource.get("ServiceTimeout") or _LONGEST_SERVICE_TIMEOUT)
        if resource.type in FUNCTIONS:
            assert last < ANSWER_SECONDS < timeout
            assert timeout <= 900


def test_function_never_runs_when_the_stack_has_given_up(variant: Synthesised) -> None:
    for resource, function in custom_resources(variant):
        if resource.type not in FUNCTIONS:
            continue
        (config,) = [
            each
            for each in variant.of_type("AWS::Lambda::EventInvokeConfig")
            if function in list(variant.assembly.referents(each, each.get("FunctionName")))
        ]
        assert config.get("MaximumRetryAttempts") == 0
        begins = config.get("MaximumEventAgeInSeconds")
        assert begins + function.get("Timeout") <= int(resource.get("ServiceTimeout"))
        assert config.logical_id in resource.depends_on
