"""Aurora of the sandbox: a real PostgreSQL behind the cluster's endpoints."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.aws import servers
from tests.integration.sandbox.emulator import Emulator, template, wait_until


@dataclass(frozen=True)
class Database:
    """A deployed cluster."""

    emulator: Emulator
    outputs: dict[str, str]

    @property
    def client(self) -> Any:  # noqa: ANN401 - boto3 makes the clients' classes
        return self.emulator.client("rds")

    def cluster(self) -> dict[str, Any]:
        clusters: list[dict[str, Any]] = self.client.describe_db_clusters()["DBClusters"]
        return clusters[0]

    def credentials(self) -> dict[str, str]:
        secrets = self.emulator.client("secretsmanager")
        value: dict[str, str] = json.loads(
            secrets.get_secret_value(SecretId=self.outputs["Secret"])["SecretString"]
        )
        return value

    def query(self, statement: LiteralString, **options: str) -> tuple[object, ...] | None:
        credentials = self.credentials()
        parameters = {
            "host": self.outputs["Writer"], "port": self.outputs["Port"], "dbname": "app",
            "user": credentials["username"], "password": credentials["password"], "sslmode": "verify-full",
            "sslrootcert": str(self.emulator.state_dir / "tls" / "ca.pem"),
        }  # fmt: skip
        with psycopg.connect(make_conninfo(**(parameters | options))) as connection:
            return connection.execute(statement).fetchone()

    def answers(self) -> bool:
        try:
            return self.query("SELECT 1") == (1,)
        except psycopg.OperationalError:
            return False


@pytest.fixture(scope="module")
def database(emulator: Emulator) -> Iterator[Database]:
    instance = {
        "Type": "AWS::RDS::DBInstance",
        "Properties": {
            "DBClusterIdentifier": {"Ref": "Cluster"}, "Engine": "aurora-postgresql",
            "DBInstanceClass": "db.serverless",
        },
    }  # fmt: skip
    resources = {
        "Cluster": {
            "Type": "AWS::RDS::DBCluster",
            "DeletionPolicy": "Delete",
            "Properties": {
                "Engine": "aurora-postgresql", "EngineVersion": "17.9", "DatabaseName": "app",
                "MasterUsername": "master", "ManageMasterUserPassword": True,
            },
        },
        "Writer": instance,
        "Reader": instance | {"DependsOn": "Writer"},
    }  # fmt: skip
    outputs = {
        "Secret": {"Fn::GetAtt": ["Cluster", "MasterUserSecret.SecretArn"]},
        "Writer": {"Fn::GetAtt": ["Cluster", "Endpoint.Address"]},
        "Reader": {"Fn::GetAtt": ["Cluster", "ReadEndpoint.Address"]},
        "Port": {"Fn::GetAtt": ["Cluster", "Endpoint.Port"]},
        "InstancePort": {"Fn::GetAtt": ["Writer", "Endpoint.Port"]},
    }
    with emulator.deployed("database", template(resources, **outputs)) as values:
        yield Database(emulator, values)
    assert not list((emulator.state_dir / "postgres").glob("*/PG_VERSION"))
    secrets = emulator.client("secretsmanager")
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.get_secret_value(SecretId=values["Secret"])


def test_the_managed_master_secret_logs_in_over_verified_tls(database: Database) -> None:
    assert database.query("SELECT current_user, current_database()") == ("master", "app")
    assert database.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == (True,)
    assert database.query("SELECT 1", host=database.outputs["Reader"]) == (1,)
    assert database.outputs["InstancePort"] == database.outputs["Port"]


def test_the_first_instance_is_the_writer(database: Database) -> None:
    members = database.cluster()["DBClusterMembers"]
    assert [member["IsClusterWriter"] for member in members] == [True, False]


def test_serverless_instances_are_offered_in_every_zone(database: Database) -> None:
    options = database.client.describe_orderable_db_instance_options(
        Engine="aurora-postgresql", EngineVersion="17.9", DBInstanceClass="db.serverless"
    )["OrderableDBInstanceOptions"]
    assert [option["DBInstanceClass"] for option in options] == ["db.serverless"]
    zones = [zone["Name"] for zone in options[0]["AvailabilityZones"]]
    assert zones == ["us-east-1a", "us-east-1b", "us-east-1c"]


def test_the_master_password_can_be_rotated(database: Database) -> None:
    before = database.credentials()
    database.client.modify_db_cluster(
        DBClusterIdentifier=database.cluster()["DBClusterIdentifier"],
        RotateMasterUserPassword=True, ApplyImmediately=True,
    )  # fmt: skip
    assert database.credentials() != before
    assert database.answers()
    with pytest.raises(psycopg.OperationalError):
        database.query("SELECT 1", password=before["password"])


def test_a_stopped_cluster_stays_stopped_until_it_is_started(database: Database) -> None:
    identifier = database.cluster()["DBClusterIdentifier"]
    database.client.stop_db_cluster(DBClusterIdentifier=identifier)
    assert database.cluster()["Status"] == "stopped"
    assert not database.answers()
    database.emulator.sandbox.stop()
    database.emulator.sandbox.start()
    assert not database.answers()
    database.client.start_db_cluster(DBClusterIdentifier=identifier)
    wait_until(database.answers)
    assert database.cluster()["Status"] == "available"


def test_a_server_that_dies_is_started_again(database: Database) -> None:
    (file,) = (database.emulator.state_dir / "postgres").glob("*/postmaster.pid")
    killed = process_id(file)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: process_id(file) != killed and database.answers())


def process_id(file: Path) -> int:
    return int(file.read_text().split()[0]) if file.exists() else 0


def test_a_killed_server_starts_at_the_first_attempt(tmp_path: Path) -> None:
    with servers.database(tmp_path) as server:
        for _ in range(3):
            killed = process_id(server.data_dir / "postmaster.pid")
            os.kill(killed, signal.SIGKILL)
            os.waitid(os.P_PID, killed, os.WEXITED | os.WNOWAIT)  # dead, and not buried
            server.start()
            assert server.is_ready()


def test_data_survives_a_restart_of_the_sandbox(database: Database) -> None:
    database.query("SELECT lo_put(lo_create(42), 0, 'kept')")
    database.emulator.sandbox.stop()
    database.emulator.sandbox.start()
    wait_until(database.answers)
    assert database.query("SELECT convert_from(lo_get(42), 'UTF8')") == ("kept",)
