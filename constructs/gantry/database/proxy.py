"""A proxy in front of the database, which shares its connections among many clients."""

from collections.abc import Mapping
from typing import Protocol

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from contract import log_groups
from gantry.monitoring.log_groups import LogDefaults
from gantry.network.vpc import lasting_subnet_ids
from gantry.secrets.secret import read_statements

# Less than each of the application's roles gets (functions.sql), which is less than half.
_MAX_CONNECTIONS_PERCENT = 40
# Seconds. A client that would wait longer has given up by then, and RDS Proxy passes no cancellation on.
_BORROW_TIMEOUT = 3
# Seconds; as long as a client's pool may keep a connection, which then is the one that hangs up.
_IDLE_CLIENT_TIMEOUT = 1800


class IDatabaseProxy(Protocol):
    """A proxy in front of the database, as its clients and the rotation see it."""

    @property
    def endpoint(self) -> str:
        """Where clients reach it, at PostgreSQL's port; its certificate is of Amazon Trust Services."""

    @property
    def secrets(self) -> Mapping[str, secretsmanager.ISecret]:
        """The secret of each role."""


class DatabaseProxy(Construct):
    """An RDS Proxy that knows each role by a secret of its own, so that several may log in at once.

    Parameters
    ----------
    name
        Name of the proxy.
    vpc, security_group
        Where it lives: in isolated subnets of two zones, behind this group alone.
    cluster
        Cluster that it connects to.
    secrets, secrets_key
        The secret of each role, and the key that encrypts them, imported by ARN.
    log_defaults
        Of its log group.

    Attributes
    ----------
    endpoint, secrets
        See `IDatabaseProxy`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        vpc: ec2.IVpc,
        security_group: ec2.ISecurityGroup,
        cluster: rds.IDatabaseCluster,
        secrets: Mapping[str, secretsmanager.ISecret],
        secrets_key: kms.IKey,
        log_defaults: LogDefaults,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = log_defaults.group(self, full_name=log_groups.database_proxy(name))
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("rds.amazonaws.com"))
        for statement in read_statements(self, secrets_key, *secrets.values()):
            role.add_to_policy(statement)
        # Not the L2: it would add rules to the security groups, all of which are in one place.
        proxy = rds.CfnDBProxy(
            self,
            "Proxy",
            db_proxy_name=name,
            engine_family="POSTGRESQL",
            role_arn=role.role_arn,
            auth=[
                rds.CfnDBProxy.AuthFormatProperty(
                    auth_scheme="SECRETS",
                    client_password_auth_type="POSTGRES_SCRAM_SHA_256",  # noqa: S106 - no password
                    iam_auth="DISABLED",
                    secret_arn=secret.secret_arn,
                )
                for secret in secrets.values()
            ],
            require_tls=True,
            debug_logging=False,
            idle_client_timeout=_IDLE_CLIENT_TIMEOUT,
            vpc_subnet_ids=lasting_subnet_ids(vpc),
            vpc_security_group_ids=[security_group.security_group_id],
        )
        proxy.node.add_dependency(role, log_group)
        targets = rds.CfnDBProxyTargetGroup(
            self,
            "Targets",
            db_proxy_name=proxy.ref,
            target_group_name="default",
            db_cluster_identifiers=[cluster.cluster_identifier],
            connection_pool_configuration_info=rds.CfnDBProxyTargetGroup.ConnectionPoolConfigurationInfoFormatProperty(
                max_connections_percent=_MAX_CONNECTIONS_PERCENT,
                connection_borrow_timeout=_BORROW_TIMEOUT,
            ),
        )
        # RDS takes a cluster as a target once it has an instance.
        targets.node.add_dependency(cluster)
        # The CDK would tag it; CloudFormation's schema has no such property.
        targets.add_property_deletion_override("Tags")
        self.node.default_child = proxy
        self.endpoint = proxy.attr_endpoint
        self.secrets = dict(secrets)
