"""The application's roles in a database cluster."""

from collections.abc import Mapping

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from gantry.custom_resource import FunctionResource
from gantry.python_function import FunctionDefaults
from gantry.secrets import read_statements

_ASSET = "database_roles"


class DatabaseRoles(FunctionResource):
    """The application's roles, made by a function when the cluster is first deployed.

    Afterwards the function only adds what is missing; passwords are the rotation's.

    Parameters
    ----------
    functions
        What the function has in common with others.
    security_group
        Lets the function reach the cluster.
    cluster, database
        Where the roles are made.
    master_secret
        Log-in of the master user.
    rotator_secret, application_secret
        Log-ins of the role that rotates passwords and of the application; the function completes both with
        the cluster's address.
    proxy_secrets
        Of a proxy, the secret of each application role; the function writes the one of the role in use.
    secrets_key
        Encrypts all of these secrets.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: FunctionDefaults,
        security_group: ec2.ISecurityGroup,
        cluster: rds.IDatabaseCluster,
        database: str,
        master_secret: secretsmanager.ISecret,
        rotator_secret: secretsmanager.ISecret,
        application_secret: secretsmanager.ISecret,
        secrets_key: kms.IKey,
        proxy_secrets: Mapping[str, secretsmanager.ISecret] | None = None,
    ) -> None:
        proxied = proxy_secrets or {}
        super().__init__(
            scope,
            construct_id,
            functions=functions,
            asset=_ASSET,
            description="Makes the application's roles in the database",
            security_group=security_group,
            statements=[
                *read_statements(scope, secrets_key, master_secret),
                *read_statements(
                    scope, secrets_key, rotator_secret, application_secret, *proxied.values(), write=True
                ),
                iam.PolicyStatement(
                    actions=["secretsmanager:DescribeSecret", "secretsmanager:UpdateSecretVersionStage"],
                    resources=[application_secret.secret_full_arn or application_secret.secret_arn],
                ),
            ],
            resource_type="Custom::DatabaseRoles",
            properties={
                "ClusterEndpoint": cluster.cluster_endpoint.hostname,
                "Port": cluster.cluster_endpoint.port,
                "Database": database,
                "MasterSecretArn": master_secret.secret_arn,
                "RotatorSecretArn": rotator_secret.secret_arn,
                "ApplicationSecretArn": application_secret.secret_arn,
                **(
                    {"ProxySecretArns": {role: secret.secret_arn for role, secret in proxied.items()}}
                    if proxied
                    else {}
                ),
                # Makes CloudFormation call the function again when its code has learnt something.
                "Revision": functions.source.digest(_ASSET),
            },
        )
        # The writer must run before the function can log in.
        self.resource.node.add_dependency(cluster)
