"""`Custom::DatabaseRoles`: makes the application's roles when the cluster is deployed.

Any other caller, a schedule or an operator, has it change the rotator's password; CloudWatch Logs, which
calls when the rotation's log says that the rotator is refused, only if that is still so.
"""

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from pg8000.native import Connection, DatabaseError, InterfaceError

from contract.database import ADMINISTRATION
from database_roles import roles
from database_roles.rotator import RotatorSecret, end_sessions, logs_in, openings
from gantry_runtime.aurora import Cluster
from gantry_runtime.clock import Clock, TimeLimit
from gantry_runtime.custom_resource import ANSWER_SECONDS, PROMPT, LambdaContext, Request, answer
from gantry_runtime.failures import SafeError, describe
from gantry_runtime.postgres import ANY_DATABASE, privileged, take_turn
from gantry_runtime.scram import verifier
from gantry_runtime.secrets import SecretMissingError, ensure_json, read_json

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

logger = Logger(service="database-roles")
_PHYSICAL_ID = "database-roles"
_POLL_SECONDS = 5.0
# For readers to learn of a new password, and for sessions to end; lambdas/rotation/database.py waits as long.
_EFFECT_SECONDS = 20.0
# PostgreSQL's "invalid_password", "admin_shutdown", "crash_shutdown", "cannot_connect_now" and
# "too_many_connections".
_PASSING = frozenset({"28P01", "57P01", "57P02", "57P03", "53300"})
_BROKEN = "network error"  # what pg8000 says of a connection that the server ended


class RotatorError(SafeError):
    """The rotator's password was not changed, or the old one opens something; the message says why."""


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, int] | None:
    """Answer CloudFormation's request; the event holds no secret, only names of them.

    Raises
    ------
    RotatorError
        When the rotator's password cannot be changed. Nothing that a library raised leaves this function.
    """
    if "RequestType" in event:
        answer(event, context, act, logger)
        return None
    seconds = context.get_remaining_time_in_millis() / 1000 - ANSWER_SECONDS
    try:
        return change_rotator(os.environ, TimeLimit(Clock(), seconds), only_refused="awslogs" in event)
    except Exception as error:  # noqa: BLE001 - see above
        failure = describe(error)
    logger.error("failed", extra={"failure": failure})
    raise RotatorError(failure)


def change_rotator(
    environ: Mapping[str, str], limit: TimeLimit, *, only_refused: bool = False
) -> dict[str, int]:
    """Give the rotator a new password; return what the old one opens, all 0, or nothing where none was due.

    Parameters
    ----------
    environ
        The function's variables.
    limit
        The time for all of it.
    only_refused
        Whether a rotator that logs in keeps its password.

    Raises
    ------
    SafeError
        When that is not done in time, or the old one opens something.
    """
    client = boto3.client("secretsmanager", config=PROMPT)
    secret = RotatorSecret(client, environ["ROTATOR_SECRET_ARN"])
    old = secret.read()
    properties = {
        "MasterSecretArn": environ["MASTER_SECRET_ARN"],
        "ClusterEndpoint": old["host"],
        "Port": old["port"],
    }
    with _master_session(properties, client, limit, database=ADMINISTRATION) as opened:
        _take_turn(opened, limit)
        old = secret.read()
        if only_refused and logs_in(old, old["host"]):
            logger.info("the rotator logs in")
            return {}
        secret.change(opened)
        cluster = Cluster(boto3.client("rds", config=PROMPT), environ["DATABASE_CLUSTER"])

        def master(host: str) -> AbstractContextManager[Connection]:
            return _master_session(
                properties | {"ClusterEndpoint": host}, client, limit, database=ADMINISTRATION
            )

        def shut_out() -> dict[str, int]:
            found = end_sessions(cluster, master, limit.within(_EFFECT_SECONDS))
            try:
                return found | openings(cluster, secret.read(), old, limit.within(_EFFECT_SECONDS))
            except roles.RolesError:
                # A session that was still open has set another password: none must be when it is set again.
                roles.lock_rotator_out(opened)
                found = end_sessions(cluster, master, limit.within(_EFFECT_SECONDS))
                secret.set_again(opened)
                return found | openings(cluster, secret.read(), old, limit.within(_EFFECT_SECONDS))

        found = _persistently(shut_out, limit)
    if any(found.values()):
        raise RotatorError(", ".join(f"{what}: {number}" for what, number in found.items()))
    logger.info("the rotator has a new password", extra={"openings": found})
    return found


def _persistently(shut_out: Callable[[], dict[str, int]], limit: TimeLimit) -> dict[str, int]:
    """Do what every instance must be there for; all of it again when one restarted meanwhile."""
    while True:
        try:
            return shut_out()
        except (DatabaseError, InterfaceError, OSError) as error:
            if not (_may_pass(error) and limit.wait(_POLL_SECONDS)):
                raise
            logger.info("an instance does not answer", extra={"failure": describe(error)})


def act(request: Request) -> None:
    """Make the roles and complete the secrets; deleting leaves both, for they go with cluster and secrets."""
    if request.kind == "Delete":
        return
    client = boto3.client("secretsmanager", config=PROMPT)
    request.physical_id = _PHYSICAL_ID
    _ensure(request.properties, client, request.limit)
    if request.kind == "Create":
        _forget_incomplete_version(client, request.properties["ApplicationSecretArn"])


def _ensure(properties: Mapping[str, Any], client: "SecretsManagerClient", limit: TimeLimit) -> None:
    host, port, database = properties["ClusterEndpoint"], int(properties["Port"]), properties["Database"]
    # Not the application's own database, as long as that may be the application's to change.
    with _master_session(properties, client, limit, database=ANY_DATABASE) as opened:
        roles.ensure_database(opened)
    with _master_session(properties, client, limit, database=ADMINISTRATION) as opened:
        _take_turn(opened, limit)
        # Read only now, when no rotation is going on.
        rotator = read_json(client, properties["RotatorSecretArn"])
        application = read_json(client, properties["ApplicationSecretArn"])
        roles.ensure_roles(
            opened,
            database=database,
            user=application["username"],
            user_verifier=verifier(application["password"]),
            rotator_verifier=verifier(rotator["password"]),
        )
        with _master_session(properties, client, limit, database=database) as applications:
            roles.ensure_schema(applications)
        address = {"engine": "postgres", "host": host, "port": port, "dbname": database}
        # With the address, for operators' tools and the rotation.
        ensure_json(client, properties["ApplicationSecretArn"], application | address)
        ensure_json(client, properties["RotatorSecretArn"], rotator | address)
        if proxied := properties.get("ProxySecretArns"):
            log_in = {key: application[key] for key in ("username", "password")}
            ensure_json(client, proxied[log_in["username"]], log_in)
    logger.info("the roles are in place", extra={"user": application["username"]})


def _take_turn(opened: Connection, limit: TimeLimit) -> None:
    while not take_turn(opened):
        if not limit.wait(_POLL_SECONDS):
            raise roles.RolesError("someone else has been changing the roles all the time")


@contextmanager
def _master_session(
    properties: Mapping[str, Any], client: "SecretsManagerClient", limit: TimeLimit, *, database: str
) -> Iterator[Connection]:
    """Log in as the master user, again and again until RDS has set the password that the secret holds.

    RDS sets it after a restored cluster has its first instance, and sets another one every seven days
    ("Password management with Amazon RDS and AWS Secrets Manager" in the Aurora User Guide).
    """
    with ExitStack() as stack:
        while True:
            try:
                master = read_json(client, properties["MasterSecretArn"])
                opened = stack.enter_context(
                    privileged(
                        host=properties["ClusterEndpoint"],
                        port=int(properties["Port"]),
                        database=database,
                        user=master["username"],
                        password=master["password"],
                    )
                )
                break
            except (SecretMissingError, DatabaseError, InterfaceError, OSError) as error:
                if not (_may_pass(error) and limit.wait(_POLL_SECONDS)):
                    raise
                logger.info("the master user cannot log in yet", extra={"failure": describe(error)})
        yield opened


def _may_pass(error: Exception) -> bool:
    """Return whether a log-in may succeed later: the password is not there yet, or the server not reached."""
    if isinstance(error, SecretMissingError):
        return True
    if isinstance(error, DatabaseError):
        return isinstance(error.args[0], dict) and error.args[0].get("C") in _PASSING
    if isinstance(error, InterfaceError):
        return isinstance(error.__cause__, OSError) or error.args[0] == _BROKEN
    return not isinstance(error, ssl.SSLCertVerificationError)


def _forget_incomplete_version(client: "SecretsManagerClient", arn: str) -> None:
    """Take AWSPREVIOUS off the version without an address: no task used it, so none is to be replaced."""
    stages = client.describe_secret(SecretId=arn)["VersionIdsToStages"]
    for version, labels in stages.items():
        if "AWSPREVIOUS" in labels:
            client.update_secret_version_stage(
                SecretId=arn, VersionStage="AWSPREVIOUS", RemoveFromVersionId=version
            )
