"""`Custom::DatabaseRoles`: makes the application's roles when the cluster is deployed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger

from database_roles import roles
from gantry_runtime.custom_resource import Outcome, answer
from gantry_runtime.postgres import connection
from gantry_runtime.scram import verifier
from gantry_runtime.secrets import ensure_json, read_json

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

logger = Logger(service="database-roles")
_PHYSICAL_ID = "database-roles"


def handler(event: Mapping[str, Any], _context: object) -> None:
    """Answer CloudFormation's request; the event holds no secret, only names of them."""
    answer(event, act, logger)


def act(event: Mapping[str, Any]) -> Outcome:
    """Make the roles and complete the secrets; deleting leaves both, for they go with cluster and secrets."""
    client, properties = boto3.client("secretsmanager"), event["ResourceProperties"]
    if event["RequestType"] != "Delete":
        _ensure(properties, client)
    if event["RequestType"] == "Create":
        _forget_incomplete_version(client, properties["ApplicationSecretArn"])
    return Outcome(physical_id=_PHYSICAL_ID)


def _ensure(properties: Mapping[str, Any], client: "SecretsManagerClient") -> None:
    host, port, database = properties["ClusterEndpoint"], int(properties["Port"]), properties["Database"]
    master = read_json(client, properties["MasterSecretArn"])
    rotator = read_json(client, properties["RotatorSecretArn"])
    with connection(
        host=host, port=port, database=database, user=master["username"], password=master["password"]
    ) as opened:
        roles.take_turns(opened)
        # Read only now, when no rotation is going on.
        application = read_json(client, properties["ApplicationSecretArn"])
        roles.ensure_roles(
            opened,
            database=database,
            user=application["username"],
            user_verifier=verifier(application["password"]),
            rotator_verifier=verifier(rotator["password"]),
        )
        address = {"engine": "postgres", "host": host, "port": port, "dbname": database}
        # With the address, for operators' tools and the rotation.
        ensure_json(client, properties["ApplicationSecretArn"], application | address)
        ensure_json(client, properties["RotatorSecretArn"], rotator | address)
        if proxied := properties.get("ProxySecretArns"):
            log_in = {key: application[key] for key in ("username", "password")}
            ensure_json(client, proxied[log_in["username"]], log_in)
    logger.info("the roles are in place", extra={"user": application["username"]})


def _forget_incomplete_version(client: "SecretsManagerClient", arn: str) -> None:
    """Take AWSPREVIOUS off the version without an address: no task used it, so none is to be replaced."""
    stages = client.describe_secret(SecretId=arn)["VersionIdsToStages"]
    for version, labels in stages.items():
        if "AWSPREVIOUS" in labels:
            client.update_secret_version_stage(
                SecretId=arn, VersionStage="AWSPREVIOUS", RemoveFromVersionId=version
            )
