"""What becomes of resources when a stack fails, changes or goes ("DeletionPolicy attribute")."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.conftest import PROFILE, Service

Subject = tuple[Service, Service, str]
sides = pytest.mark.parametrize(
    "cloudformation", ["sandbox", *(["account"] if PROFILE else [])], indirect=True
)


def group(name: str, policy: str, *, after: str | None = None) -> dict[str, Any]:
    return {
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": policy,
        "Properties": {"LogGroupName": name},
        **({"DependsOn": after} if after else {}),
    }


def status(subject: Subject, stack: str) -> str:
    service, _, _ = subject
    return str(service.client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])


def create(subject: Subject, resources: dict[str, Any], **options: Any) -> str:  # noqa: ANN401 - any option
    service, _, name = subject
    stack = service.client.create_stack(
        StackName=name, TemplateBody=json.dumps({"Resources": resources}), **options
    )["StackId"]
    service.wait_until(lambda: not status(subject, stack).endswith("IN_PROGRESS"))
    return str(stack)


def delete(subject: Subject, stack: str) -> None:
    service, _, _ = subject
    service.client.delete_stack(StackName=stack)
    service.wait_until(lambda: status(subject, stack) == "DELETE_COMPLETE")


def groups(subject: Subject) -> set[str]:
    _, logs, name = subject
    found = logs.client.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return {each["logGroupName"].removeprefix(f"{name}-") for each in found}


@sides
def test_failed_creation_keeps_what_is_retained_in_any_case(cloudformation: Subject) -> None:
    _, logs, name = cloudformation
    logs.client.create_log_group(logGroupName=f"{name}-taken")
    stack = create(
        cloudformation,
        {
            "Kept": group(f"{name}-kept", "Retain"),
            "Gone": group(f"{name}-gone", "RetainExceptOnCreate", after="Kept"),
            "Taken": group(f"{name}-taken", "Delete", after="Gone"),
        },
    )
    assert status(cloudformation, stack) == "ROLLBACK_COMPLETE"
    assert groups(cloudformation) == {"kept", "taken"}
    delete(cloudformation, stack)


@sides
def test_stack_that_goes_leaves_what_either_policy_retains(cloudformation: Subject) -> None:
    name = cloudformation[2]
    policies = {"Kept": "Retain", "Left": "RetainExceptOnCreate", "Gone": "Delete"}
    stack = create(
        cloudformation, {key: group(f"{name}-{key.lower()}", policy) for key, policy in policies.items()}
    )
    assert groups(cloudformation) == {"kept", "left", "gone"}
    delete(cloudformation, stack)
    assert groups(cloudformation) == {"kept", "left"}


@sides
def test_protected_stack_is_not_deleted(cloudformation: Subject) -> None:
    service, _, name = cloudformation
    made = {"Gone": group(f"{name}-gone", "Delete")}
    stack = create(cloudformation, made, EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="TerminationProtection is enabled"):
        service.client.delete_stack(StackName=name)
    assert groups(cloudformation) == {"gone"}
    service.client.update_termination_protection(StackName=name, EnableTerminationProtection=False)
    delete(cloudformation, stack)
