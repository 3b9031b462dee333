"""Data: the database with its roles, the cache with its user, and their secrets."""

from dataclasses import dataclass

from aws_cdk import ArnFormat, CfnOutput, Duration
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_iam as iam
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from gantry.aurora import AuroraPostgres, DatabaseRoles
from gantry.python_function import PythonFunction, PythonSource
from gantry.secrets import PlatformSecret, read_statements
from gantry.valkey import ValkeyCache
from stacks.layer import LayerStack, imported_key, log_retention, removal_policy
from stacks.network import NetworkRefs
from stacks.settings import Settings
from stacks.state import StateRefs

DATABASE = "app"


@dataclass(frozen=True, kw_only=True)
class DataRefs:
    """What later layers use of the data layer."""

    cluster: rds.IDatabaseCluster
    cache: elasticache.CfnServerlessCache
    cache_user_id: str
    database_secret: secretsmanager.ISecret
    rotator_secret: secretsmanager.ISecret
    valkey_secret: secretsmanager.ISecret


class DataStack(LayerStack):
    """Aurora PostgreSQL, Valkey, and the secrets with which the service reaches them."""

    def __init__(
        self,
        scope: Construct,
        *,
        settings: Settings,
        state: StateRefs,
        network: NetworkRefs,
        functions: PythonSource,
    ) -> None:
        super().__init__(scope, "data", settings=settings, description="Gantry: database and cache")
        self._settings, self._network, self._functions = settings, network, functions
        self._data_key = imported_key(self, "DataKey", state.data_key)
        self._secrets_key = imported_key(self, "SecretsKey", state.secrets_key)
        self._logs_key = imported_key(self, "LogsKey", state.logs_key)
        self._database_secret = self._secret("DatabaseSecret", "database", "password", username="app_a")
        self._rotator_secret = self._secret(
            "RotatorSecret", "database-rotator", "password", username="gantry_rotator"
        )
        self._valkey_secret = self._secret("ValkeySecret", "valkey", "password", username="app")
        aurora = self._database()
        cache = self._cache()
        CfnOutput(self, "ClusterIdentifier", value=aurora.cluster.cluster_identifier)
        CfnOutput(self, "DatabaseSecretArn", value=self._database_secret.secret_arn)
        CfnOutput(self, "ValkeySecretArn", value=self._valkey_secret.secret_arn)
        self.refs = DataRefs(
            cluster=aurora.cluster,
            cache=cache.cache,
            cache_user_id=cache.user_id,
            database_secret=self._database_secret,
            rotator_secret=self._rotator_secret,
            valkey_secret=self._valkey_secret,
        )

    def _secret(self, construct_id: str, name: str, field: str, **fields: str) -> PlatformSecret:
        return PlatformSecret(
            self,
            construct_id,
            name=f"{self._settings.prefix}/{name}",
            description=f"{self._settings.prefix}: {name}",
            key=self._secrets_key,
            generated_field=field,
            fields=fields,
            removal_policy=removal_policy(self._settings),
        )

    def _database(self) -> AuroraPostgres:
        settings = self._settings
        aurora = AuroraPostgres(
            self,
            "Database",
            vpc=self._network.vpc,
            security_group=self._network.database_group,
            key=self._data_key,
            database=DATABASE,
            min_capacity=settings.aurora.min_capacity,
            max_capacity=settings.aurora.max_capacity,
            readers=settings.aurora.readers,
            backup_retention=Duration.days(settings.aurora.backup_retention_days),
            deletion_protection=settings.keeps_data,
            removal_policy=removal_policy(settings),
        )
        function = PythonFunction(
            self,
            "DatabaseRolesFunction",
            source=self._functions,
            asset="database_roles",
            description="Makes the application's roles in the database",
            vpc=self._network.vpc,
            security_group=self._network.database_functions_group,
            log_group_name=f"{settings.log_group_prefix}lambda/database-roles",
            logs_key=self._logs_key,
            log_retention=log_retention(settings),
            timeout=Duration.minutes(5),
            statements=[
                *read_statements(self, self._data_key, aurora.master_secret),
                *read_statements(
                    self, self._secrets_key, self._database_secret, self._rotator_secret, write=True
                ),
            ],
        )
        DatabaseRoles(
            self,
            "DatabaseRoles",
            function=function,
            cluster=aurora.cluster,
            database=DATABASE,
            master_secret=aurora.master_secret,
            rotator_secret=self._rotator_secret,
            application_secret=self._database_secret,
        )
        return aurora

    def _cache(self) -> ValkeyCache:
        settings = self._settings
        name = settings.full_name
        user_arn = self.format_arn(
            service="elasticache",
            resource="user",
            resource_name=name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        function = PythonFunction(
            self,
            "CacheUserFunction",
            source=self._functions,
            asset="cache_user",
            description="Makes the application's user of the cache",
            vpc=self._network.vpc,
            security_group=self._network.cache_functions_group,
            log_group_name=f"{settings.log_group_prefix}lambda/cache-user",
            logs_key=self._logs_key,
            log_retention=log_retention(settings),
            timeout=Duration.minutes(10),
            statements=[
                *read_statements(self, self._secrets_key, self._valkey_secret),
                iam.PolicyStatement(
                    actions=[
                        "elasticache:AddTagsToResource",
                        "elasticache:CreateUser",
                        "elasticache:DeleteUser",
                        "elasticache:DescribeUsers",
                        "elasticache:ModifyUser",
                    ],
                    resources=[user_arn],
                ),
            ],
        )
        return ValkeyCache(
            self,
            "Cache",
            name=name,
            user_name="app",
            user_secret=self._valkey_secret,
            user_function=function,
            vpc=self._network.vpc,
            security_group=self._network.cache_group,
            key=self._data_key,
            max_data_gb=settings.valkey.max_data_gb,
            max_ecpu_per_second=settings.valkey.max_ecpu_per_second,
            snapshot_retention_days=settings.valkey.snapshot_retention_days,
        )
