"""Aurora: each cluster is a real PostgreSQL server, to which all its endpoints lead."""

import json
import logging
import re
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid, request_scope
from ministack.services import rds, secretsmanager
from ministack.services.cloudformation import provisioners

from sandbox.plugin.context import Context
from sandbox.plugin.patching import wrap
from sandbox.plugin.resource_types import (
    Create,
    Delete,
    Properties,
    Provisioned,
    handlers,
    run_off_the_event_loop,
)
from sandbox.plugin.responses import Action, Response, failed
from sandbox.ports import HOST
from sandbox.postgres import PostgresServer

_logger = logging.getLogger(__name__)

Cluster = dict[str, Any]


_SERVERLESS, _PROVISIONED = "db.serverless", "db.r5.large"
_ZONES = re.compile(rb"<AvailabilityZones>.*?</AvailabilityZones>", re.DOTALL)


class Databases:
    """The PostgreSQL servers of the clusters."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(self, cluster: Cluster) -> None:
        """Start a new cluster's server, with its master user and its first database."""
        server = self._server(cluster)
        cluster["Endpoint"] = cluster["ReaderEndpoint"] = HOST
        cluster["Port"] = server.port
        self._context.backing_servers.start(_name(cluster), server)
        self.set_master_password(cluster, cluster["_MasterUserPassword"])

    def set_master_password(self, cluster: Cluster, password: str) -> None:
        """Give the master user a password, and make the user and the first database when they are missing."""
        database = cluster.get("DatabaseName") or None
        self._server(cluster).set_master(cluster["MasterUsername"], password, database=database)

    def resume(self, cluster: Cluster) -> None:
        """Start the server of a cluster that exists."""
        self._context.backing_servers.resume(_name(cluster), self._server(cluster))

    def stop(self, cluster: Cluster) -> None:
        """Stop the server; its data stays."""
        self._context.backing_servers.stop(_name(cluster), self._server(cluster))

    def destroy(self, cluster: Cluster) -> None:
        """Stop the server and remove its data."""
        self._context.backing_servers.destroy(_name(cluster), self._server(cluster))
        self._context.ports.release(_name(cluster))

    def _server(self, cluster: Cluster) -> PostgresServer:
        folder = _name(cluster).removeprefix("postgres/").replace("/", ".")
        layout = self._context.layout
        return PostgresServer(
            data_dir=layout.databases / folder,
            port=self._context.ports.get(_name(cluster)),
            authority=self._context.authority,
            log=layout.logs / f"postgres.{folder}.log",
        )


def install(context: Context) -> None:
    """Give clusters their servers."""
    databases = Databases(context)
    _provision_clusters(databases)
    _provision_instances()
    _serve_cluster_actions(databases)
    _offer_serverless_instances()
    _resume_after_restart(databases)


def _name(cluster: Cluster) -> str:
    region = cluster["DBClusterArn"].split(":")[3]
    return f"postgres/{region}/{cluster['DBClusterIdentifier']}"


def _manage_master_password(cluster: Cluster, kms_key: str | None) -> None:
    password = rds._generate_master_user_password()
    arn = secretsmanager.create_secret_in_process(
        f"rds!cluster-{new_uuid()}",
        json.dumps({"username": cluster["MasterUsername"], "password": password}),
        description=f"Secret managed by RDS for DB cluster {cluster['DBClusterIdentifier']}",
    )
    default_key = f"arn:aws:kms:{get_region()}:{get_account_id()}:key/aws-secretsmanager-default"
    cluster["_MasterUserPassword"] = password
    cluster["MasterUserSecret"] = {
        "SecretArn": arn, "SecretStatus": "active", "KmsKeyId": kms_key or default_key,
    }  # fmt: skip


def _provision_clusters(databases: Databases) -> None:
    # ministack's CloudFormation makes no secret for ManageMasterUserPassword, and has no attribute for it.
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-rds-dbcluster.html
    resource_type = "AWS::RDS::DBCluster"
    entry = handlers(resource_type)

    @wrap(provisioners, "_rds_db_cluster_attrs")
    def attributes(original: Callable[[Cluster], dict[str, Any]], cluster: Cluster) -> dict[str, Any]:
        secret = cluster.get("MasterUserSecret")
        return original(cluster) | ({"MasterUserSecret.SecretArn": secret["SecretArn"]} if secret else {})

    @wrap(entry, "create")
    def create(original: Create, logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        cluster_id, _ = original(logical_id, props, stack_name)
        cluster = rds._clusters[cluster_id]
        if props.get("ManageMasterUserPassword"):
            _manage_master_password(cluster, props.get("MasterUserSecret", {}).get("KmsKeyId"))
        try:
            databases.create(cluster)
        except Exception:
            _forget(databases, cluster)
            del rds._clusters[cluster_id]
            raise
        return cluster_id, provisioners._rds_db_cluster_attrs(cluster)

    @wrap(entry, "update")
    def update(
        original: Callable[..., Provisioned],
        physical_id: str,
        old_props: Properties,
        new_props: Properties,
        *rest: object,
    ) -> Provisioned:
        port = rds._clusters[physical_id]["Port"]
        provisioned = original(physical_id, old_props, new_props, *rest)
        cluster = rds._clusters[physical_id]
        cluster["Port"] = port
        if new_props.get("MasterUserPassword") not in {None, old_props.get("MasterUserPassword")}:
            databases.set_master_password(cluster, new_props["MasterUserPassword"])
        return provisioned[0], provisioners._rds_db_cluster_attrs(cluster)

    @wrap(entry, "delete")
    def delete(original: Delete, physical_id: str, props: Properties) -> None:
        cluster = rds._clusters.get(physical_id)
        # ministack deletes it past its own API, which refuses that.
        # "DeletionProtection" in https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBCluster.html
        if cluster and cluster["DeletionProtection"]:
            raise ValueError(
                "Cannot delete protected Cluster, please disable deletion protection and try again."
            )
        _forget(databases, cluster)
        original(physical_id, props)

    run_off_the_event_loop(resource_type)


def _forget(databases: Databases, cluster: Cluster | None) -> None:
    if cluster is None:
        return
    databases.destroy(cluster)
    if secret := cluster.get("MasterUserSecret"):
        secretsmanager.delete_secret_in_process(secret["SecretArn"])


def _provision_instances() -> None:
    entry = handlers("AWS::RDS::DBInstance")

    @wrap(entry, "create")
    def create(original: Create, logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        instance_id, _ = original(logical_id, props, stack_name)
        instance = rds._instances[instance_id]
        cluster = rds._clusters.get(props.get("DBClusterIdentifier", ""))
        if cluster is not None:
            instance["Endpoint"] |= {"Address": HOST, "Port": cluster["Port"]}
            # ministack makes every member the writer; at AWS it is the first one.
            # https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBClusterMember.html
            for position, member in enumerate(cluster["DBClusterMembers"]):
                member["IsClusterWriter"] = position == 0
        return instance_id, provisioners._rds_db_instance_attrs(instance)


def _serve_cluster_actions(databases: Databases) -> None:
    @wrap(rds, "_apply_cluster_master_password_change")
    def change_password(original: Callable[[Cluster, str], None], cluster: Cluster, new_pass: str) -> None:
        original(cluster, new_pass)
        databases.set_master_password(cluster, new_pass)

    @wrap(rds._ACTION_MAP, "DeleteDBCluster")
    def delete_cluster(original: Action, p: dict[str, Any]) -> Response:
        cluster = rds._resolve_cluster_in_request_region(rds._p(p, "DBClusterIdentifier"))
        response = original(p)
        if not failed(response):
            databases.destroy(cluster)
        return response

    @wrap(rds._ACTION_MAP, "StopDBCluster")
    def stop_cluster(original: Action, p: dict[str, Any]) -> Response:
        response = original(p)
        if not failed(response):
            databases.stop(rds._resolve_cluster_in_request_region(rds._p(p, "DBClusterIdentifier")))
        return response

    @wrap(rds._ACTION_MAP, "StartDBCluster")
    def start_cluster(original: Action, p: dict[str, Any]) -> Response:
        response = original(p)
        if not failed(response):
            databases.resume(rds._resolve_cluster_in_request_region(rds._p(p, "DBClusterIdentifier")))
        return response


def _offer_serverless_instances() -> None:
    @wrap(rds._ACTION_MAP, "DescribeOrderableDBInstanceOptions")
    def describe(original: Action, p: dict[str, Any]) -> Response:
        """Add Aurora's serverless class, which is in every zone: all are this machine."""
        if rds._p(p, "DBInstanceClass") != _SERVERLESS:
            return original(p)
        status, headers, body = original(p | {"DBInstanceClass": _PROVISIONED})
        zones = "".join(
            f"<AvailabilityZone><Name>{get_region()}{letter}</Name></AvailabilityZone>" for letter in "abc"
        )
        body = body.replace(_PROVISIONED.encode(), _SERVERLESS.encode())
        return status, headers, _ZONES.sub(f"<AvailabilityZones>{zones}</AvailabilityZones>".encode(), body)


def _resume_after_restart(databases: Databases) -> None:
    # ministack would start containers, and calls the instances "creating" until they run.
    @wrap(rds, "load_persisted_state")
    def load_persisted_state(original: Callable[[object], None], data: object) -> None:
        del original
        rds._restore_state(data)
        for (account, region, _), cluster in rds._clusters.all_items():
            with request_scope(account, region):
                for member in cluster["DBClusterMembers"]:
                    rds._instances[member["DBInstanceIdentifier"]]["DBInstanceStatus"] = cluster["Status"]
            if cluster["Status"] == "available":
                databases.resume(cluster)
