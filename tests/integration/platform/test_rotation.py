"""Secrets rotate under load: no request fails, no session is lost, and the old credentials are refused."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import psycopg
import pytest
import valkey

from sandbox.lifecycle import Sandbox
from taskboard.keyring import KeyRing
from tests.integration.platform.conftest import DeployedPlatform
from tests.plain_http import NO_TLS
from tools.bench.load import load

SECRETS = ("database", "valkey", "signing-key")
ROTATOR = "database-rotator"
# Up to four deployments follow one another; on a machine with other work each may take a minute.
RETIREMENT_SECONDS = 300.0


@dataclass(frozen=True)
class PlatformSecrets:
    """The platform's secrets, and what they open."""

    platform: DeployedPlatform
    client: Any
    functions: Any
    containers: Any

    def read(self, name: str) -> dict[str, str]:
        document: dict[str, str] = json.loads(
            self.client.get_secret_value(SecretId=f"gantry/sandbox/{name}")["SecretString"]
        )
        return document

    def reconcile(self, name: str) -> dict[str, Any]:
        """Reconcile the secret, as the schedule does too; return the function's report."""
        function = self.client.describe_secret(SecretId=f"gantry/sandbox/{name}")["RotationLambdaARN"]
        answer = self.functions.invoke(FunctionName=function, Payload=b"{}")
        report: dict[str, Any] = json.loads(answer["Payload"].read())
        return report

    def is_deploying(self) -> bool:
        """Return whether a deployment of the service is in progress."""
        cluster = self.containers.list_clusters()["clusterArns"][0]
        arns = self.containers.list_services(cluster=cluster)["serviceArns"]
        services = self.containers.describe_services(cluster=cluster, services=arns)["services"]
        return any(
            each["rolloutState"] == "IN_PROGRESS" for service in services for each in service["deployments"]
        )

    @property
    def authority(self) -> str:
        return str(self.platform.state_dir / "tls" / "ca.pem")

    def connect_to_database(self, login: dict[str, str]) -> psycopg.Connection:
        address = self.read("database")
        return psycopg.connect(
            host=address["host"],
            port=int(address["port"]),
            dbname="gantry" if login["username"] == "gantry_rotator" else address["dbname"],
            user=login["username"],
            password=login["password"],
            sslmode="verify-full",
            sslrootcert=self.authority,
            autocommit=True,
        )

    def opens_database(self, login: dict[str, str]) -> bool:
        try:
            self.connect_to_database(login).close()
        except psycopg.OperationalError:
            return False
        return True

    def connect_to_cache(self, login: dict[str, str]) -> valkey.Valkey:
        """Return a client with one connection."""
        ports = Sandbox(self.platform.state_dir).status().ports
        port = next(port for name, port in ports.items() if name.startswith("load-balancer/valkey"))
        client = valkey.Valkey(
            host="localhost", port=port, username=login["username"], password=login["password"],
            ssl=True, ssl_ca_certs=self.authority, single_connection_client=True,
        )  # fmt: skip
        client.ping()
        return client

    def opens_cache(self, login: dict[str, str]) -> bool:
        try:
            with self.connect_to_cache(login):
                return True
        except valkey.AuthenticationError:
            return False

    def hold(self, name: str) -> Callable[[], bool]:
        """Open a connection with what a secret says now; return a check whether it lives."""
        login = self.read(name)
        if name == "valkey":
            cache = self.connect_to_cache(login)
            return lambda: _answers(cache)
        database = self.connect_to_database(login)
        return lambda: _is_alive(database)


def _answers(client: valkey.Valkey) -> bool:
    """Return whether a connection lives; a new one in its place is refused, too, as its password is."""
    try:
        return bool(client.ping())
    except valkey.ValkeyError:
        return False


def _is_alive(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="module")
def secrets(platform: DeployedPlatform) -> Iterator[PlatformSecrets]:
    variables = Sandbox(platform.state_dir).environment()
    session = boto3.Session(
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    endpoint = variables["AWS_ENDPOINT_URL"]
    clients = [session.client(name, endpoint_url=endpoint) for name in ("secretsmanager", "lambda", "ecs")]
    yield PlatformSecrets(platform, *clients)
    for client in clients:
        client.close()


def rotate(platform: DeployedPlatform, secret: str) -> None:
    result = platform.gantry("rotate", secret, "--wait", "--json")
    assert result.returncode == 0, result.stderr
    assert "current" in json.loads(result.stdout)["stages"]


def wait_until_reconciled(secrets: PlatformSecrets, *names: str) -> None:
    """Wait until the earlier credentials of secrets, of all by default, are retired."""
    deadline = time.monotonic() + RETIREMENT_SECONDS
    while unreconciled := [
        report for name in names or SECRETS if not (report := secrets.reconcile(name)).get("reconciled")
    ]:
        assert time.monotonic() < deadline, f"old credentials were not retired in time: {unreconciled}"
        time.sleep(0.5)


def test_rotation_right_after_the_first_deployment(platform: DeployedPlatform) -> None:
    assert platform.first_rotation.returncode == 0, platform.first_rotation.stderr
    assert {"deployed", "retired"} <= set(json.loads(platform.first_rotation.stdout)["stages"])
    assert platform.health().status_code == 200


# In a round the secrets rotate in turn and then together; the everyday run is content with the latter.
@pytest.mark.parametrize(
    "turns",
    [
        pytest.param([True], id="together", marks=pytest.mark.timeout(600)),
        pytest.param([False, True] * 5, id="5 rounds", marks=[pytest.mark.long, pytest.mark.timeout(3000)]),
    ],
)
def test_rotations_fail_no_request_and_lose_no_session(
    platform: DeployedPlatform, secrets: PlatformSecrets, turns: list[bool]
) -> None:
    old: dict[str, list[dict[str, str]]] = {name: [] for name in (*SECRETS, ROTATOR)}
    held: list[Callable[[], bool]] = []
    with load(platform.url) as report:
        for together in turns:
            for name in (*SECRETS, ROTATOR):
                old[name].append(secrets.read(name))
                if name != "signing-key":
                    held.append(secrets.hold(name))
                if not together and name != ROTATOR:
                    rotate(platform, name)
                    wait_until_reconciled(secrets, name)
            if together:
                with ThreadPoolExecutor(len(SECRETS)) as pool:
                    list(pool.map(lambda name: rotate(platform, name), SECRETS))
                wait_until_reconciled(secrets)
            assert platform.gantry("rotate", "rotator").returncode == 0
    assert report.failures == []
    assert report.lost_sessions == 0
    assert report.total > 300
    assert secrets.opens_database(secrets.read("database"))
    assert secrets.opens_cache(secrets.read("valkey"))
    for login in (*old["database"], *old[ROTATOR]):
        assert not secrets.opens_database(login)
    for login in old["valkey"]:
        assert not secrets.opens_cache(login)
    # Not even where the turn of its user came again.
    assert [lives() for lives in held] == [False] * len(held)


@pytest.mark.long
@pytest.mark.parametrize("name", ["database", "valkey", "rotator"])
def test_leaked_credential_is_refused_without_a_failed_request(
    platform: DeployedPlatform, secrets: PlatformSecrets, name: str
) -> None:
    held = secrets.hold(ROTATOR if name == "rotator" else name)
    with load(platform.url) as report:
        result = platform.gantry("rotate", name, "--leaked")
    assert result.returncode == 0, result.stderr
    assert (report.failures, report.lost_sessions) == ([], 0)
    assert not held()


@pytest.mark.long
def test_sessions_of_a_leaked_signing_key_are_refused(
    platform: DeployedPlatform, secrets: PlatformSecrets
) -> None:
    leaked = secrets.read("signing-key")["current"]
    result = platform.gantry("rotate", "signing-key", "--leaked", "--json")
    assert result.returncode == 0, result.stderr
    assert set(json.loads(result.stdout)["openings"].values()) == {0}
    assert leaked not in secrets.read("signing-key").values()


def test_cookie_of_a_retired_key_is_refused(platform: DeployedPlatform, secrets: PlatformSecrets) -> None:
    credentials = {"email": "alan@example.com", "password": "correct horse battery staple"}
    with httpx.Client(base_url=f"{platform.url}/api/v1", timeout=15, verify=NO_TLS) as client:
        client.post("/sign-up", json=credentials).raise_for_status()
        retired = secrets.read("signing-key")["current"]
        with ThreadPoolExecutor(1) as pool:
            rotation = pool.submit(rotate, platform, "signing-key")
            # A session in use is signed again; one that no one uses ends with its key.
            while not rotation.done() or not secrets.reconcile("signing-key").get("reconciled"):
                assert client.get("/account").status_code == 200
                time.sleep(0.2)
            rotation.result()
        assert client.get("/account").status_code == 200
        value = str(client.cookies["session"]).split(".", maxsplit=1)[0]
        forged = KeyRing(retired).sign(value)
        client.cookies.clear()
        assert client.get("/account", headers={"cookie": f"session={forged}"}).status_code == 401


def test_rotator_that_the_database_refuses_gets_a_new_password(secrets: PlatformSecrets) -> None:
    """As when the database was restored in place to before its last change."""
    refused = secrets.read(ROTATOR) | {"password": "0" * 64}
    secrets.client.put_secret_value(SecretId=f"gantry/sandbox/{ROTATOR}", SecretString=json.dumps(refused))
    assert "gantry_rotator is refused" in secrets.reconcile("database")["errorMessage"]
    deadline = time.monotonic() + RETIREMENT_SECONDS
    while (login := secrets.read(ROTATOR)) == refused or not secrets.opens_database(login):
        assert time.monotonic() < deadline, "the rotator's password was not changed"
        time.sleep(0.2)
    assert secrets.reconcile("database")["reconciled"]


@pytest.mark.long
def test_deploying_after_rotations_changes_nothing(
    platform: DeployedPlatform, secrets: PlatformSecrets
) -> None:
    before = {name: secrets.read(name) for name in SECRETS}
    result = platform.deploy()
    assert result.returncode == 0, result.stdout + result.stderr
    assert {name: secrets.read(name) for name in SECRETS} == before
    assert platform.health().status_code == 200


@pytest.mark.long
def test_rotation_during_a_deployment_and_a_rollback_after_it(
    platform: DeployedPlatform, secrets: PlatformSecrets
) -> None:
    with load(platform.url) as report:
        with ThreadPoolExecutor(1) as pool:
            deployment = pool.submit(platform.deploy, ecs__environment__RELEASE="2")
            while not secrets.is_deploying():
                assert not deployment.done(), deployment.result().stderr
                time.sleep(0.1)
            rotate(platform, "database")
            assert deployment.result().returncode == 0, deployment.result().stderr
        # The task definition of before the rotation; its tasks start with what is current now.
        result = platform.deploy()
        assert result.returncode == 0, result.stdout + result.stderr
        wait_until_reconciled(secrets)
    assert report.failures == []
    assert report.lost_sessions == 0
    assert platform.health().json()["database"]["session_user"] == secrets.read("database")["username"]
