"""Who may be the first in an account to call a service may make the service-linked role that it needs."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from ops.assembly import Assembly, Resource, read
from tests.infrastructure.dependencies import made_before
from tests.infrastructure.synthesis import Synthesiser, as_list
from tests.infrastructure.test_iam_policies import COMBINATIONS, name_of, statements_of

TABLE: dict[str, Any] = tomllib.loads(Path(__file__).with_name("service_linked_roles.toml").read_text())
WITHOUT = set(TABLE.pop("none")["services"])
READING = ("Describe", "Get", "List")


@pytest.fixture(params=[*COMBINATIONS, None], ids=name_of)
def assembly(request: pytest.FixtureRequest, synthesise: Synthesiser) -> Assembly:
    if request.param is None:
        return read(synthesise.pipeline(), environment="pipeline")
    return synthesise(*request.param).assembly


def calls(assembly: Assembly) -> Iterator[tuple[Resource, str]]:
    """Yield each action that a policy of a role allows."""
    for statement in statements_of(assembly):
        if statement.is_of_identity and statement.allows:
            yield from ((statement.resource, action) for action in statement.actions)


def may_make_role(assembly: Assembly, policy: Resource, principal: str) -> bool:
    return any(
        statement.resource == policy
        and statement.actions == ["iam:CreateServiceLinkedRole"]
        and f":role/aws-service-role/{principal}/" in str(statement.body["Resource"])
        and statement.body["Condition"] == {"StringEquals": {"iam:AWSServiceName": principal}}
        for statement in statements_of(assembly)
    )


def comes_after(assembly: Assembly, policy: Resource, types: list[str]) -> bool:
    """Return whether what runs with a policy's role runs after CloudFormation made a resource of some types.

    A function of a custom resource runs when the resource is made; all others serve what there is in the end.
    """
    (role,) = assembly.referents(policy, policy.get("Roles"))
    functions = [each for each in assembly.referrers(role) if each.type == "AWS::Lambda::Function"]
    customs = [
        each
        for function in functions
        for each in assembly.referrers(function)
        if function in list(assembly.referents(each, each.get("ServiceToken") or {}))
    ]
    if customs:
        return all({each.type for each in made_before(assembly, custom)} & set(types) for custom in customs)
    there = [each for each in assembly.resources if each.stack == policy.stack]
    return bool({each.type for each in [*there, *made_before(assembly, policy)]} & set(types))


def test_every_service_that_a_role_calls_was_looked_at(assembly: Assembly) -> None:
    called = {action.partition(":")[0] for _, action in calls(assembly)}
    assert called <= set(TABLE) | WITHOUT


def test_first_caller_of_a_service_may_make_its_role(assembly: Assembly) -> None:
    for policy, action in calls(assembly):
        service, _, name = action.partition(":")
        if service not in TABLE or name.startswith(READING):
            continue
        entry = TABLE[service]
        granted = may_make_role(assembly, policy, entry["principal"])
        first = not comes_after(assembly, policy, entry["made_by"])
        assert granted or not first, f"{policy.stack}/{policy.path} may be the first with {action}"
        # A right that is not needed is too much.
        assert first or not granted, f"{policy.stack}/{policy.path} is never the first with {action}"


def test_operations_that_name_such_a_failure_are_of_a_service_that_was_looked_at(assembly: Assembly) -> None:
    """SDKs know of some operations that they fail without the role."""
    for _, action in calls(assembly):
        service, _, name = action.partition(":")
        if service in WITHOUT and service in _SDK and name in _operations(service):
            errors = {shape.name for shape in _operations(service)[name]}
            assert not [each for each in errors if "ServiceLinkedRole" in each], action


_SESSION = boto3.Session()
_SDK = set(_SESSION.get_available_services())


def _operations(service: str) -> dict[str, list[Any]]:
    model = _SESSION._session.get_service_model(service)
    return {name: model.operation_model(name).error_shapes for name in model.operation_names}


def test_every_line_names_its_source() -> None:
    assert all(as_list(each["made_by"]) and each["source"] for each in TABLE.values())
