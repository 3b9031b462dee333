"""Secrets Manager of the sandbox: generated values, versions, rotation."""

import json
import string
import uuid
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from tests.integration.sandbox.emulator import Emulator, template, wait_until

# Rotates as AWS's template does, notes each step in a queue, fails at the step in the secret's description.
ROTATION = """
import boto3
secrets, queues = boto3.client("secretsmanager"), boto3.client("sqs")
def handler(event, context):
    arn, token, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
    secret = secrets.describe_secret(SecretId=arn)
    labels = secret["VersionIdsToStages"]
    queues.send_message(QueueUrl=queues.get_queue_url(QueueName=secret["Name"])["QueueUrl"], MessageBody=step)
    assert "AWSPENDING" in labels[token]
    if secret.get("Description") == step:
        raise RuntimeError("as planned")
    if step == "createSecret":
        secrets.put_secret_value(SecretId=arn, ClientRequestToken=token, SecretString="value of " + token,
                                 VersionStages=["AWSPENDING"])
    if step == "testSecret":
        secrets.get_secret_value(SecretId=arn, VersionId=token, VersionStage="AWSPENDING")
    if step == "finishSecret":
        current = next(version for version in labels if "AWSCURRENT" in labels[version])
        secrets.update_secret_version_stage(SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=token,
                                            RemoveFromVersionId=current)
"""
ALL_STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]


class RotatedSecret:
    """A secret, and the steps that its rotation function was called for."""

    def __init__(self, emulator: Emulator, function: str) -> None:
        self.name = f"secret-{uuid.uuid4().hex[:8]}"
        self.client = emulator.client("secretsmanager")
        self.function = function
        self._queues = emulator.client("sqs")
        self._queue = self._queues.create_queue(QueueName=self.name)["QueueUrl"]
        self.arn = self.client.create_secret(Name=self.name, SecretString="first")["ARN"]

    def fail_at(self, step: str) -> None:
        self.client.update_secret(SecretId=self.name, Description=step or "none")

    def rotate(self, *, immediately: bool = True) -> str:
        answer = self.client.rotate_secret(
            SecretId=self.name,
            RotationLambdaARN=self.function,
            RotationRules={"AutomaticallyAfterDays": 30},
            RotateImmediately=immediately,
        )
        return str(answer["VersionId"])

    def steps(self, count: int) -> list[str]:
        """Wait for as many steps and return them."""
        steps: list[str] = []

        def enough() -> bool:
            answer = self._queues.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                steps.append(message["Body"])
                self._queues.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
            return len(steps) >= count

        wait_until(enough)
        return steps

    def value(self, label: str = "AWSCURRENT") -> str:
        return str(self.client.get_secret_value(SecretId=self.name, VersionStage=label)["SecretString"])

    def versions(self) -> dict[str, str]:
        """Return the version of each label."""
        labels = self.client.describe_secret(SecretId=self.name)["VersionIdsToStages"]
        return {label: version for version, each in labels.items() for label in each}


@pytest.fixture
def secret(emulator: Emulator) -> Iterator[RotatedSecret]:
    secret = RotatedSecret(emulator, emulator.function("rotation", ROTATION))
    yield secret
    secret.client.delete_secret(SecretId=secret.name, ForceDeleteWithoutRecovery=True)


def test_a_generated_secret_follows_its_rules_and_is_referred_to_by_arn(emulator: Emulator) -> None:
    rules = {
        "SecretStringTemplate": '{"username": "app_a"}', "GenerateStringKey": "password",
        "ExcludePunctuation": True, "PasswordLength": 40,
    }  # fmt: skip
    resource = {"Type": "AWS::SecretsManager::Secret", "Properties": {"GenerateSecretString": rules}}
    with emulator.deployed("generated", template({"Secret": resource}, Secret={"Ref": "Secret"})) as outputs:
        client = emulator.client("secretsmanager")
        assert outputs["Secret"] == client.describe_secret(SecretId=outputs["Secret"])["ARN"]
        value = json.loads(client.get_secret_value(SecretId=outputs["Secret"])["SecretString"])
        assert value["username"] == "app_a"
        assert len(value["password"]) == 40
        assert set(value["password"]) <= set(string.ascii_letters + string.digits)
        changed = resource | {"Properties": {"GenerateSecretString": rules, "Description": "changed"}}
        emulator.update("generated", template({"Secret": changed}, Secret={"Ref": "Secret"}))
        assert emulator.outputs("generated") == outputs
        assert client.describe_secret(SecretId=outputs["Secret"])["Description"] == "changed"
        assert json.loads(client.get_secret_value(SecretId=outputs["Secret"])["SecretString"]) == value
    with pytest.raises(ClientError, match="can't find"):
        client.describe_secret(SecretId=outputs["Secret"])


def test_a_version_never_changes_its_value(secret: RotatedSecret) -> None:
    token = str(uuid.uuid4())
    for _ in range(2):
        secret.client.put_secret_value(SecretId=secret.name, ClientRequestToken=token, SecretString="second")
    with pytest.raises(secret.client.exceptions.ResourceExistsException):
        secret.client.put_secret_value(SecretId=secret.name, ClientRequestToken=token, SecretString="third")
    assert secret.value() == "second"


def test_a_label_is_on_one_version_at_a_time(secret: RotatedSecret) -> None:
    for value in ("second", "third"):
        secret.client.put_secret_value(SecretId=secret.name, SecretString=value, VersionStages=["AWSPENDING"])
    assert secret.value("AWSPENDING") == "third"
    assert secret.value() == "first"


def test_a_rotation_goes_through_the_four_steps(secret: RotatedSecret) -> None:
    token = secret.rotate()
    assert secret.steps(4) == ALL_STEPS
    wait_until(lambda: secret.value() == f"value of {token}")
    assert secret.value("AWSPREVIOUS") == "first"
    wait_until(lambda: "LastRotatedDate" in secret.client.describe_secret(SecretId=secret.name))
    second = secret.rotate()
    assert secret.steps(4) == ALL_STEPS
    wait_until(lambda: secret.versions()["AWSCURRENT"] == second)
    assert secret.versions()["AWSPREVIOUS"] == token


@pytest.mark.parametrize("step", ALL_STEPS[:-1])
def test_a_failed_rotation_blocks_the_next_and_is_attempted_again(secret: RotatedSecret, step: str) -> None:
    secret.fail_at(step)
    token = secret.rotate()
    reached = ALL_STEPS[: ALL_STEPS.index(step) + 1]
    assert secret.steps(len(reached)) == reached
    assert secret.value() == "first"
    assert secret.versions()["AWSPENDING"] == token
    if step == "createSecret":
        with pytest.raises(secret.client.exceptions.ResourceNotFoundException):
            secret.value("AWSPENDING")
    secret.fail_at("")
    with pytest.raises(secret.client.exceptions.InvalidRequestException, match="A previous rotation isn't"):
        secret.rotate()
    assert secret.steps(4) == ALL_STEPS
    wait_until(lambda: secret.value() == f"value of {token}")


def test_a_rotation_that_is_not_immediate_tests_the_function_only(secret: RotatedSecret) -> None:
    secret.rotate(immediately=False)
    assert secret.steps(1) == ["testSecret"]
    wait_until(lambda: set(secret.versions()) == {"AWSCURRENT"})
    described = secret.client.describe_secret(SecretId=secret.name)
    assert described["RotationEnabled"]
    assert "NextRotationDate" in described
    assert "LastRotatedDate" not in described


def test_a_rotation_during_the_test_of_the_function_follows_it(secret: RotatedSecret) -> None:
    secret.rotate(immediately=False)
    token = secret.rotate()
    assert secret.steps(5) == ["testSecret", *ALL_STEPS]
    wait_until(lambda: secret.value() == f"value of {token}")


def test_a_cancelled_rotation_leaves_the_versions_and_no_schedule(secret: RotatedSecret) -> None:
    secret.fail_at("setSecret")
    token = secret.rotate()
    secret.steps(2)
    assert secret.client.cancel_rotate_secret(SecretId=secret.name)["VersionId"] == token
    described = secret.client.describe_secret(SecretId=secret.name)
    assert not described["RotationEnabled"]
    assert described["VersionIdsToStages"][token] == ["AWSPENDING"]


def test_rotation_needs_a_function(emulator: Emulator) -> None:
    client = emulator.client("secretsmanager")
    client.create_secret(Name="unrotated", SecretString="x")
    with pytest.raises(client.exceptions.InvalidRequestException, match="No Lambda rotation function"):
        client.rotate_secret(SecretId="unrotated")


@pytest.mark.parametrize(("immediately", "expected"), [(True, ALL_STEPS), (False, ["testSecret"])])
def test_a_rotation_schedule_rotates_or_tests_at_its_creation(
    emulator: Emulator, secret: RotatedSecret, immediately: bool, expected: list[str]
) -> None:
    properties = {
        "SecretId": secret.arn, "RotationLambdaARN": secret.function,
        "RotateImmediatelyOnUpdate": immediately,
        "RotationRules": {"ScheduleExpression": "cron(0 3 1 * ? *)", "Duration": "2h"},
    }  # fmt: skip
    schedule = {"Type": "AWS::SecretsManager::RotationSchedule", "Properties": properties}
    with emulator.deployed("schedule", template({"Schedule": schedule}, Ref={"Ref": "Schedule"})) as outputs:
        assert outputs["Ref"] == secret.arn
        assert secret.steps(len(expected)) == expected
        described = secret.client.describe_secret(SecretId=secret.name)
        assert (described["NextRotationDate"].day, described["NextRotationDate"].hour) == (1, 3)
    assert not secret.client.describe_secret(SecretId=secret.name)["RotationEnabled"]
