"""Secrets: made once, injected whole, readable by those who need them and through Secrets Manager alone."""

import json
from typing import Any

import pytest

from ops.assembly import Resource
from stacks.settings import LAYERS
from tests.infrastructure.synthesis import Synthesised, Synthesiser, as_list

# A change of any of these would generate a new value and cut off every running task.
GENERATED = {
    "database": ('{"username": "app_a"}', "password", 48),
    "database-rotator": ('{"username": "gantry_rotator"}', "password", 48),
    "valkey": ('{"username": "app"}', "password", 48),
    "signing-key": ("{}", "current", 64),
}


def test_generated_values_never_change(platform: Synthesised) -> None:
    found = {}
    for secret in platform.of_type("AWS::SecretsManager::Secret"):
        generator = secret.get("GenerateSecretString")
        assert generator["ExcludePunctuation"] is True
        assert set(generator) == {
            "ExcludePunctuation", "GenerateStringKey", "PasswordLength", "SecretStringTemplate",
        }  # fmt: skip
        name = secret.get("Name").removeprefix(f"{platform.settings.prefix}/")
        found[name] = tuple(
            generator[key] for key in ("SecretStringTemplate", "GenerateStringKey", "PasswordLength")
        )
    assert found == GENERATED


@pytest.mark.parametrize("overrides", [{"ecs.max_capacity": 20}, {"aurora.max_capacity": 32}])
def test_other_settings_leave_secrets_alone(synthesise: Synthesiser, overrides: dict[str, object]) -> None:
    before = synthesise("prod").of_type("AWS::SecretsManager::Secret")
    after = synthesise("prod", overrides).of_type("AWS::SecretsManager::Secret")
    assert [secret.properties for secret in before] == [secret.properties for secret in after]


def test_secrets_are_encrypted_with_the_platforms_key(platform: Synthesised) -> None:
    for secret in platform.of_type("AWS::SecretsManager::Secret"):
        assert key_of(platform, secret, secret.get("KmsKeyId")) == "Keys/Secrets"
    cluster = platform.only("AWS::RDS::DBCluster")
    assert key_of(platform, cluster, cluster.get("MasterUserSecret", "KmsKeyId")) == "Keys/Secrets"


def key_of(platform: Synthesised, resource: Resource, value: Any) -> str:  # noqa: ANN401 - JSON
    (key,) = platform.assembly.referents(resource, value)
    return key.construct


def names(platform: Synthesised, resource: Resource, value: Any) -> set[str]:  # noqa: ANN401 - JSON
    return {secret.construct for secret in platform.assembly.referents(resource, value)}


def reads(statement: dict[str, Any]) -> bool:
    return statement["Effect"] == "Allow" and "secretsmanager:GetSecretValue" in as_list(statement["Action"])


def test_every_reader_may_decrypt_through_secrets_manager_alone(platform: Synthesised) -> None:
    """An imported key grants nothing by itself, and the sandbox would not notice."""
    readers = [
        (policy, statement)
        for policy, statement in platform.statements()
        if reads(statement) and not reads_by_pattern(statement)
    ]
    assert len({policy.path for policy, _ in readers}) >= 3
    via = f"secretsmanager.{platform.settings.region}.amazonaws.com"
    for policy, statement in readers:
        wanted = names(platform, policy, statement["Resource"])
        decryptable = [
            names(platform, policy, other["Condition"]["StringEquals"]["kms:EncryptionContext:SecretARN"])
            for other in policy.get("PolicyDocument", "Statement")
            if "kms:Decrypt" in as_list(other["Action"])
            and other["Condition"]["StringEquals"]["kms:ViaService"] == via
            and key_of(platform, policy, other["Resource"]) == "Keys/Secrets"
        ]
        assert any(wanted <= secrets for secrets in decryptable), f"{policy.path} cannot decrypt {wanted}"


def reads_by_pattern(statement: dict[str, Any]) -> bool:
    return reads(statement) and "*" in json.dumps(statement["Resource"])


def test_only_what_rds_makes_for_restore_tests_is_read_by_pattern(platform: Synthesised) -> None:
    """Its name does not exist yet; the cluster's own master secret, which is named alike, has another tag."""
    place = f"{platform.settings.region}:{platform.settings.account}"
    for policy, statement in platform.statements():
        if reads_by_pattern(statement):
            assert policy.path.startswith("RestoreTesting/"), policy.path
            restored = f"arn:aws:rds:{place}:cluster:awsbackup-restore-test*"
            assert statement["Condition"] == {
                "StringLike": {"aws:ResourceTag/aws:rds:primaryDBClusterArn": restored}
            }


def test_secrets_of_a_pattern_are_written_by_aws_alone(platform: Synthesised) -> None:
    for policy, statement in platform.statements():
        secrets = [action for action in as_list(statement["Action"]) if action.startswith("secretsmanager:")]
        if secrets and not reads(statement) and "*" in json.dumps(statement["Resource"]):
            assert set(secrets) == {"secretsmanager:CreateSecret", "secretsmanager:TagResource"}, policy.path
            assert statement["Condition"] == {"Bool": {"aws:ViaAWSService": "true"}}


def container(platform: Synthesised) -> dict[str, Any]:
    (only,) = platform.only("AWS::ECS::TaskDefinition").get("ContainerDefinitions")
    assert isinstance(only, dict)
    return only


def test_service_gets_each_secret_whole(platform: Synthesised) -> None:
    """Two keys of one secret could come from two versions, astride a rotation."""
    task = platform.only("AWS::ECS::TaskDefinition")
    injected = {}
    for entry in container(platform)["Secrets"]:
        (secret,) = platform.assembly.referents(task, entry["ValueFrom"])
        assert entry["ValueFrom"].keys() & {"Ref", "Fn::ImportValue"}, "only the ARN, without a key after it"
        injected[entry["Name"]] = secret.get("Name").removeprefix(f"{platform.settings.prefix}/")
    assert injected == {
        "DATABASE_SECRET": "database",
        "VALKEY_SECRET": "valkey",
        "SECRET_KEY_BASE": "signing-key",
    }


def test_service_cannot_read_the_log_ins_of_others(platform: Synthesised) -> None:
    """Neither the master user's nor the rotator's."""
    readable = set()
    for policy, statement in platform.statements():
        if policy.path.startswith("Web/") and reads(statement):
            readable |= {secret.name for secret in platform.assembly.referents(policy, statement["Resource"])}
    assert readable == {"DatabaseSecret", "ValkeySecret", "SigningKeySecret"}


def test_no_secret_value_is_resolved_into_a_template(platform: Synthesised) -> None:
    for layer in LAYERS:
        assert "{{resolve:secretsmanager" not in json.dumps(platform.template(layer))


def test_master_password_is_kept_by_rds(platform: Synthesised) -> None:
    cluster = platform.only("AWS::RDS::DBCluster")
    assert cluster.get("ManageMasterUserPassword") is True
    assert cluster.get("MasterUserPassword") is None
