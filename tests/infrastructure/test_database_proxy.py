"""The proxy in front of the database: who reaches it, what it may read, and who keeps its secrets."""

import pytest

from ops.assembly import Resource
from tests.infrastructure.synthesis import Synthesised, Synthesiser, as_list
from tests.infrastructure.test_reachability import rules, subnet_kinds
from tests.infrastructure.test_secrets import container, reads

SECRETS = {"DatabaseProxySecretA", "DatabaseProxySecretB"}


@pytest.fixture
def proxied(synthesise: Synthesiser) -> Synthesised:
    return synthesise("prod", {"aurora.proxy": True})


def secrets_of(platform: Synthesised, resource: Resource, value: object) -> set[str]:
    return {each.construct for each in platform.assembly.referents(resource, value)}


def test_service_and_functions_reach_it_and_it_reaches_the_database(
    proxied: Synthesised, prod: Synthesised
) -> None:
    added = {
        ("Service", "DatabaseProxy", 5432, 5432),
        ("DatabaseFunctions", "DatabaseProxy", 5432, 5432),
        ("DatabaseProxy", "Database", 5432, 5432),
    }
    for direction in ("Ingress", "Egress"):
        assert set(rules(proxied, direction)) == set(rules(prod, direction)) | added
    assert subnet_kinds(proxied, proxied.only("AWS::RDS::DBProxy"), "VpcSubnetIds") == {"isolated"}


def test_only_tls_and_passwords_of_both_roles_open_it(proxied: Synthesised) -> None:
    proxy = proxied.only("AWS::RDS::DBProxy")
    assert proxy.get("RequireTLS") is True
    assert not proxy.get("DebugLogging")
    auth = proxy.get("Auth")
    assert {each["ClientPasswordAuthType"] for each in auth} == {"POSTGRES_SCRAM_SHA_256"}
    assert secrets_of(proxied, proxy, [each["SecretArn"] for each in auth]) == SECRETS
    targets = proxied.only("AWS::RDS::DBProxyTargetGroup")
    (cluster,) = proxied.assembly.referents(targets, targets.get("DBClusterIdentifiers"))
    assert cluster.type == "AWS::RDS::DBCluster"


def test_its_role_reads_the_two_secrets_and_does_nothing_else(proxied: Synthesised) -> None:
    proxy = proxied.only("AWS::RDS::DBProxy")
    (role,) = proxied.assembly.referents(proxy, proxy.get("RoleArn"))
    (policy,) = (each for each in proxied.assembly.referrers(role) if each.type == "AWS::IAM::Policy")
    reading, decrypting = policy.get("PolicyDocument", "Statement")
    assert as_list(reading["Action"]) == ["secretsmanager:GetSecretValue"]
    assert secrets_of(proxied, policy, reading["Resource"]) == SECRETS
    assert as_list(decrypting["Action"]) == ["kms:Decrypt"]
    only = decrypting["Condition"]["StringEquals"]
    assert only["kms:ViaService"] == f"secretsmanager.{proxied.settings.region}.amazonaws.com"
    assert secrets_of(proxied, policy, only["kms:EncryptionContext:SecretARN"]) == SECRETS


def test_those_who_make_and_rotate_the_roles_keep_its_secrets(proxied: Synthesised) -> None:
    writers = {
        policy.construct.partition("/")[0]
        for policy, statement in proxied.statements()
        if "secretsmanager:PutSecretValue" in as_list(statement["Action"])
        and secrets_of(proxied, policy, statement["Resource"]) >= SECRETS
    }
    assert writers == {"DatabaseRoles", "DatabaseRotation"}
    readers = {
        policy.construct.partition("/")[0]
        for policy, statement in proxied.statements()
        if reads(statement) and secrets_of(proxied, policy, statement["Resource"]) & SECRETS
    }
    assert readers == writers | {"DatabaseProxy"}


def test_service_and_rotation_use_it(proxied: Synthesised, prod: Synthesised) -> None:
    variables = {each["Name"]: each["Value"] for each in container(proxied)["Environment"]}
    task = proxied.only("AWS::ECS::TaskDefinition")
    (reached,) = proxied.assembly.referents(task, variables["DATABASE_HOST"])
    assert reached.type == "AWS::RDS::DBProxy"
    assert variables["DATABASE_PREPARED_STATEMENTS"] == "false"
    without = {each["Name"] for each in container(prod)["Environment"]}
    assert variables.keys() - without == {"DATABASE_PREPARED_STATEMENTS"}


def test_name_is_free_again_once_it_is_gone(proxied: Synthesised) -> None:
    """Also where data is kept: what it leaves behind would be in the way when it comes back."""
    named = [each for each in proxied.of_type("AWS::SecretsManager::Secret") if each.construct in SECRETS]
    named += [each for each in proxied.of_type("AWS::Logs::LogGroup") if "DatabaseProxy" in each.path]
    assert len(named) == 3
    template = proxied.template("data")["Resources"]
    assert {template[each.logical_id]["DeletionPolicy"] for each in named} == {"Delete"}
