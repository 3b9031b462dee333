"""The application's roles in a database cluster."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from contract import metrics as published
from contract.database import DATABASE
from gantry.database.restored_clusters import database_arn
from gantry.functions.custom_resource import FunctionResource
from gantry.functions.python_function import FunctionDefaults
from gantry.monitoring import metrics
from gantry.monitoring.alarm import AlarmDefaults
from gantry.secrets.secret import read_statements

_ASSET = "database_roles"
# In UTC, by day, and not within the window of any rotation by default (gantry.secrets.rotation).
_ROTATOR_SCHEDULE = "cron(0 12 ? * WED *)"
# A week and a fifth, as for the secrets that have steps.
_OVERDUE_DAYS = 7 * 1.2


class DatabaseRoles(FunctionResource):
    """The application's roles, made by a function when the cluster is first deployed.

    Afterwards the function only adds what is missing, and changes the password of the role that rotates the
    others' every week; those are the rotation's.

    Parameters
    ----------
    functions
        What the function has in common with others.
    security_group
        Lets the function reach the cluster.
    cluster
        Where the roles are made.
    master_secret
        Log-in of the master user.
    rotator_secret, application_secret
        Log-ins of the role that rotates passwords and of the application; the function completes both with
        the cluster's address.
    rotator_name
        Name of the secret of the role that rotates passwords.
    proxy_secrets
        Of a proxy, the secret of each application role; the function writes the one of the role in use.
    secrets_key
        Encrypts all of these secrets.
    alarm_defaults
        Names, topic and runbook of the alarms.

    Attributes
    ----------
    alarms
        Enter ALARM when the password of the rotator was not changed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: FunctionDefaults,
        security_group: ec2.ISecurityGroup,
        cluster: rds.IDatabaseCluster,
        master_secret: secretsmanager.ISecret,
        rotator_secret: secretsmanager.ISecret,
        rotator_name: str,
        application_secret: secretsmanager.ISecret,
        secrets_key: kms.IKey,
        alarm_defaults: AlarmDefaults,
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
                    resources=[
                        each.secret_full_arn or each.secret_arn
                        for each in (application_secret, rotator_secret)
                    ],
                ),
                iam.PolicyStatement(
                    actions=["rds:DescribeDBClusters"],
                    resources=[database_arn(scope, "cluster", cluster.cluster_identifier)],
                ),
            ],
            environment={
                "MASTER_SECRET_ARN": master_secret.secret_arn,
                "ROTATOR_SECRET_ARN": rotator_secret.secret_arn,
                "DATABASE_CLUSTER": cluster.cluster_identifier,
            },
            resource_type="Custom::DatabaseRoles",
            properties={
                "ClusterEndpoint": cluster.cluster_endpoint.hostname,
                "Port": cluster.cluster_endpoint.port,
                "Database": DATABASE,
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
        events.Rule(
            self,
            "Weekly",
            description="Changes the password of the role that rotates passwords",
            schedule=events.Schedule.expression(_ROTATOR_SCHEDULE),
            targets=[targets.LambdaFunction(self.function)],
        )
        age = metrics.rotation(rotator_name, published.DAYS_SINCE_ROTATION, period=Duration.hours(1))
        self.alarms = [
            # CloudFormation's requests are answered, also when they fail.
            alarm_defaults.alarm(self, "failed", self.function.metric_errors(period=Duration.minutes(5)), 0,
                        "The password of the role that rotates passwords was not changed."),
            # By the function that rotates the database's secret: this one may not be called, and CloudWatch
            # looks back for seven days at most (`Period` of PutMetricAlarm, CloudWatch API Reference).
            alarm_defaults.alarm(self, "overdue", age, _OVERDUE_DAYS, "The password of the role that rotates "
                                 f"passwords is older than {_OVERDUE_DAYS:g} days."),
        ]  # fmt: skip
