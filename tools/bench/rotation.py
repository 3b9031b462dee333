"""Rotation under load, side by side with the way it is commonly done."""

import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psycopg
from psycopg import sql

from contract.secrets import RotatingSecret
from ops.rotated_secrets import Rotatable
from sandbox.lifecycle import Sandbox
from tools.bench import old_credentials
from tools.bench.load import LoadReport, load
from tools.bench.measurement import Measurement
from tools.bench.throwaway import throwaway_sandbox

_LIMITS = ("RATE_LIMIT_PER_MINUTE", "SIGN_IN_RATE_LIMIT_PER_MINUTE")


def measure() -> Iterator[Measurement]:
    """Rotate by Gantry's design and by common ones, under load; look at what old credentials open.

    The sandbox draws how long ElastiCache's changes take as AWS takes, with a tail of ten minutes, on a clock
    600 times as fast.
    """
    overrides = [word for name in _LIMITS for word in ("-c", f"ecs.environment.{name}=1000000")]
    with throwaway_sandbox() as harness:
        harness.seconds("up", "--detach", *overrides)
        common = _CommonRotation(harness.state_dir)
        with load(common.service_url) as ours:
            for secret in Rotatable:
                harness.seconds("rotate", secret.value, "--wait")
        with load(common.service_url) as theirs:
            for rotate in (common.database, common.valkey, common.signing_key):
                rotate()
                common.redeploy()
        yield from _measurements("this design", ours)
        yield from _measurements("common design", theirs)
        harness.seconds("rotate", RotatingSecret.DATABASE, "--wait")  # which the common way left half done
        database = old_credentials.Database(common.login, authority=common.authority)
        yield from old_credentials.measure(
            "this design",
            database,
            lambda: harness.seconds("rotate", RotatingSecret.DATABASE, "--wait"),
            common.ask_for_rotation,
        )
        yield from old_credentials.measure("AWS's two users", database, common.alternate, common.alternate)


def _measurements(design: str, report: LoadReport) -> Iterator[Measurement]:
    counts = {"failed requests": len(report.failures), "lost sessions": report.lost_sessions}
    for what, count in counts.items():
        yield Measurement(
            name=f"rotation, {design}: {what}",
            value=count,
            unit="",
            target="0" if design == "this design" else "",
            method=f"all three secrets, one after another, under load: {report.total} requests",
        )


class _CommonRotation:
    """One user, whose password is replaced, one signing key; then the tasks are redeployed."""

    def __init__(self, state_dir: Path) -> None:
        variables = Sandbox(state_dir).environment()
        self.authority = str(state_dir / "tls" / "ca.pem")
        self._endpoint = variables["AWS_ENDPOINT_URL"]
        self._session = boto3.Session(
            region_name=variables["AWS_REGION"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )
        outputs = json.loads((state_dir / "outputs.json").read_text(encoding="utf-8"))
        self._outputs = {key: value for stack in outputs.values() for key, value in stack.items()}

    @property
    def service_url(self) -> str:
        return str(self._outputs["ServiceUrl"])

    def _client(self, name: Any) -> Any:  # noqa: ANN401 - a client of any service
        return self._session.client(name, endpoint_url=self._endpoint)

    def _read(self, arn: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(
            self._client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
        )
        return document

    def _write(self, arn: str, document: dict[str, Any]) -> None:
        self._client("secretsmanager").put_secret_value(SecretId=arn, SecretString=json.dumps(document))

    def login(self) -> dict[str, Any]:
        """Return what the database's secret says now."""
        return self._read(self._outputs["DatabaseSecretArn"])

    def database(self) -> None:
        self._set_password(self.login())

    def alternate(self) -> None:
        """Rotate as AWS's function for two users does: the other one gets a new password and is current."""
        login = self.login()
        other = {"app_a": "app_b", "app_b": "app_a"}[login["username"]]
        self._set_password(login | {"username": other})

    def ask_for_rotation(self) -> None:
        """Have Secrets Manager rotate, and wait until it has, or has given up."""
        client, arn = self._client("secretsmanager"), self._outputs["DatabaseSecretArn"]
        version = client.rotate_secret(SecretId=arn)["VersionId"]
        while "AWSPENDING" in client.describe_secret(SecretId=arn)["VersionIdsToStages"].get(version, []):
            time.sleep(0.1)

    def _set_password(self, login: dict[str, Any]) -> None:
        cluster = self._client("rds").describe_db_clusters()["DBClusters"][0]
        master = self._read(cluster["MasterUserSecret"]["SecretArn"])
        login["password"] = secrets.token_hex(24)
        with psycopg.connect(
            host=cluster["Endpoint"], port=cluster["Port"], dbname=login["dbname"], user=master["username"],
            password=master["password"], sslmode="verify-full", sslrootcert=self.authority, autocommit=True,
        ) as connection:  # fmt: skip
            statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
            role, password = sql.Identifier(login["username"]), sql.Literal(login["password"])
            connection.execute(statement.format(role, password))
        self._write(self._outputs["DatabaseSecretArn"], login)

    def valkey(self) -> None:
        arn = self._outputs["ValkeySecretArn"]
        login = self._read(arn)
        login["password"] = secrets.token_hex(24)
        client = self._client("elasticache")
        user = next(
            each for each in client.describe_users()["Users"] if each["UserName"] == login["username"]
        )
        client.modify_user(UserId=user["UserId"], Passwords=[login["password"]])
        while client.describe_users(UserId=user["UserId"])["Users"][0]["Status"] != "active":
            time.sleep(0.2)
        self._write(arn, login)

    def signing_key(self) -> None:
        self._write(self._outputs["SigningKeySecretArn"], {"current": secrets.token_hex(32)})

    def redeploy(self) -> None:
        ecs = self._client("ecs")
        cluster, service = self._outputs["ClusterName"], self._outputs["ServiceName"]
        ecs.update_service(cluster=cluster, service=service, forceNewDeployment=True)
        ecs.get_waiter("services_stable").wait(
            cluster=cluster, services=[service], WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )
