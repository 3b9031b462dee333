"""Who may do what, and that strangers may not."""

import json

from tests.infrastructure.synthesis import Synthesised, as_list

EVENTS = "events.amazonaws.com"


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
    role = platform.only("AWS::IAM::Role", path="Web/TaskRole")
    assert role.get("ManagedPolicyArns") is None
    assert not [policy for policy in platform.of_type("AWS::IAM::Policy") if "TaskRole" in policy.path]


def test_keys_are_used_by_the_account_and_by_named_services_alone(platform: Synthesised) -> None:
    for key in platform.of_type("AWS::KMS::Key"):
        for statement in key.get("KeyPolicy", "Statement"):
            principal = statement["Principal"]
            if "AWS" in principal:
                assert principal == {"AWS": f"arn:aws:iam::{platform.settings.account}:root"}
            elif statement["Action"] != "kms:DescribeKey":  # looking at a key uses none
                assert statement["Condition"], f"{key.path}: {statement['Sid']} is unconditional"


def test_services_write_into_buckets_and_the_topic_only_for_this_account(platform: Synthesised) -> None:
    for policy in platform.of_type("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy"):
        for statement in policy.get("PolicyDocument", "Statement"):
            if statement["Effect"] == "Allow" and statement["Principal"].get("Service", EVENTS) != EVENTS:
                condition = json.dumps(statement["Condition"])
                assert "aws:SourceArn" in condition or "aws:SourceAccount" in condition, policy.path


def test_alerts_of_eventbridge_arrive(platform: Synthesised) -> None:
    """It sends no account with what it publishes: a condition on one would refuse every alert."""
    policy = platform.only("AWS::SNS::TopicPolicy", path="AlertTopic")
    events = {"Service": EVENTS}
    (publish,) = [s for s in policy.get("PolicyDocument", "Statement") if s["Principal"] == events]
    assert "Condition" not in publish
    key = platform.only("AWS::KMS::Key", path="Keys/Messages")
    (use,) = [s for s in key.get("KeyPolicy", "Statement") if s["Principal"] == events]
    topics = f"arn:aws:sns:{platform.settings.region}:{platform.settings.account}:*"
    assert use["Condition"] == {"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": topics}}


def test_nothing_travels_in_plain_text(platform: Synthesised) -> None:
    for bucket in platform.of_type("AWS::S3::Bucket"):
        (policy,) = [
            each
            for each in platform.of_type("AWS::S3::BucketPolicy")
            if bucket in list(platform.assembly.referents(each, each.get("Bucket")))
        ]
        refusals = [s for s in policy.get("PolicyDocument", "Statement") if s["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [each.get("Condition") for each in refusals]
