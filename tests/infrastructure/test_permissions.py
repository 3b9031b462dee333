"""Least privilege, exactly: no wildcard action, and a wildcard resource only where AWS knows nothing less."""

import json
from typing import Any

from tests.infrastructure.synthesis import Synthesised, as_list

# What AWS offers no resource for, or what does not exist yet when the policy is written.
ON_EVERY_RESOURCE = {
    "backup:ListRestoreJobs",
    "backup:PutRestoreValidationResult",
    "ecr:GetAuthorizationToken",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
    "ecs:ListTasks",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}


def allowed(platform: Synthesised, *types: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (resource.path, statement)
        for resource, statement in platform.statements()
        if statement["Effect"] == "Allow" and (not types or resource.type in types)
    ]


def test_no_action_is_a_wildcard(platform: Synthesised) -> None:
    for path, statement in allowed(platform, "AWS::IAM::Policy", "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
        for action in as_list(statement["Action"]):
            assert "*" not in action, f"{path} allows {action}"


def test_every_resource_is_meant_only_where_there_is_no_other_way(platform: Synthesised) -> None:
    for path, statement in allowed(platform, "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        if "*" in as_list(statement["Resource"]):
            assert set(as_list(statement["Action"])) <= ON_EVERY_RESOURCE, path


def test_code_of_a_function_cannot_use_what_lambda_needs_to_attach_it(platform: Synthesised) -> None:
    attaching = [
        policy
        for policy, statement in platform.statements()
        if statement["Effect"] == "Allow" and "ec2:CreateNetworkInterface" in as_list(statement["Action"])
    ]
    assert attaching
    for policy in attaching:
        denied = [s for s in policy.get("PolicyDocument", "Statement") if s["Effect"] == "Deny"]
        assert any(
            "ec2:CreateNetworkInterface" in statement["Action"]
            and statement["Condition"] == {"Null": {"lambda:SourceFunctionArn": "false"}}
            for statement in denied
        )


def test_task_itself_may_do_nothing_at_aws(platform: Synthesised) -> None:
    """The service's needs are its own to add; the execution role's are not the container's."""
    role = platform.only("AWS::IAM::Role", path="Web/TaskDefinition/TaskRole")
    assert role.get("ManagedPolicyArns") is None
    assert not [policy for policy in platform.of_type("AWS::IAM::Policy") if "TaskRole" in policy.path]


def test_keys_are_used_by_the_account_and_by_named_services_alone(platform: Synthesised) -> None:
    for key in platform.of_type("AWS::KMS::Key"):
        for statement in key.get("KeyPolicy", "Statement"):
            principal = statement["Principal"]
            if "AWS" in principal:
                assert principal == {"AWS": f"arn:aws:iam::{platform.settings.account}:root"}
            else:
                assert statement["Condition"], f"{key.path}: {statement['Sid']} is unconditional"


def test_buckets_let_services_write_only_for_this_account(platform: Synthesised) -> None:
    for policy in platform.of_type("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy"):
        for statement in policy.get("PolicyDocument", "Statement"):
            if statement["Effect"] == "Allow" and "Service" in statement["Principal"]:
                condition = json.dumps(statement["Condition"])
                assert "aws:SourceArn" in condition or "aws:SourceAccount" in condition, policy.path


def test_nothing_travels_in_plain_text(platform: Synthesised) -> None:
    for bucket in platform.of_type("AWS::S3::Bucket"):
        (policy,) = [
            each
            for each in platform.of_type("AWS::S3::BucketPolicy")
            if bucket in list(platform.assembly.referents(each, each.get("Bucket")))
        ]
        refusals = [s for s in policy.get("PolicyDocument", "Statement") if s["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [each.get("Condition") for each in refusals]
