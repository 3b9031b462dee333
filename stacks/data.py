"""Data: the database with its roles, the cache with its users, and their secrets."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_backup as backup
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from contract.database import LOGIN_ROLES, ROTATOR
from contract.secrets import RotatingSecret
from gantry.cache.users import CacheUsers, ICacheUsers
from gantry.cache.valkey import APPLICATION_ACCESS, ICache, ValkeyCache
from gantry.database.aurora import AuroraPostgres
from gantry.database.backup import Copies, DatabaseBackup
from gantry.database.backup_vault import BackupVault
from gantry.database.proxy import DatabaseProxy, IDatabaseProxy
from gantry.database.restore_role import RestoreRole
from gantry.database.restore_testing import RestoreTesting
from gantry.database.restored_clusters import RESTORED_CLUSTERS
from gantry.database.roles import DatabaseRoles
from gantry.functions.python_asset import PythonSource
from gantry.functions.python_function import FunctionDefaults
from gantry.monitoring.alarm import AlarmDefaults
from gantry.network.security_groups import RestoreTestGroups
from gantry.secrets.secret import PlatformSecret
from stacks.layer import (
    LayerStack,
    imported_key,
    log_defaults,
    platform_secret,
    removal_policy,
    rotating_secrets,
    undeletable_policy,
)
from stacks.network import NetworkRefs
from stacks.recovery import RecoveryRefs
from stacks.settings import Settings
from stacks.state import StateRefs

_ROTATOR_NAME = "database-rotator"
_WHY_ROTATOR_IS_NOT_ROTATED = (
    "Not by Secrets Manager: the function DatabaseRoles changes it every week as the master user: "
    "docs/decisions/0047-rotator-is-changed-by-the-master-user.md"
)
_WHY_PROXY_SECRETS_ARE_NOT_ROTATED = (
    "A copy of the role's password; the rotation of the database's secret updates it."
)


@dataclass(frozen=True, kw_only=True)
class RestoreTestRefs:
    """The plan and the alarms of the restore tests, by name."""

    plan: str
    alarms: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DataRefs:
    """What later layers use of the data layer.

    Alarms are strings: an alarm whose export is in use could not be deleted.
    """

    cluster: rds.IDatabaseCluster
    proxy: IDatabaseProxy | None
    cache: ICache
    cache_users: ICacheUsers
    rotating_secrets: Mapping[RotatingSecret, secretsmanager.ISecret]
    rotator_secret: secretsmanager.ISecret
    roles_function: lambda_.IFunction
    rotator_alarms: tuple[str, ...]
    restore_tests: RestoreTestRefs | None


class DataStack(LayerStack):
    """Aurora PostgreSQL, Valkey, and the secrets with which the service reaches them."""

    def __init__(
        self,
        scope: Construct,
        *,
        settings: Settings,
        state: StateRefs,
        network: NetworkRefs,
        recovery: RecoveryRefs | None,
        lambda_source: PythonSource,
    ) -> None:
        super().__init__(scope, "data", settings=settings, description="Gantry: database and cache")
        self._settings, self._state, self._network = settings, state, network
        self._data_key = imported_key(self, "DataKey", state.data_key)
        self._secrets_key = imported_key(self, "SecretsKey", state.secrets_key)
        self._logs = log_defaults(self, settings=settings, key=state.logs_key)
        self._functions = FunctionDefaults(source=lambda_source, vpc=network.vpc, log_defaults=self._logs)
        secrets = rotating_secrets(self, "data", settings=settings, key=self._secrets_key)
        self._database_secret = secrets[RotatingSecret.DATABASE]
        self._rotator_secret = platform_secret(
            self,
            "RotatorSecret",
            _ROTATOR_NAME,
            settings=settings,
            key=self._secrets_key,
            fields={"username": ROTATOR},
            unrotated=_WHY_ROTATOR_IS_NOT_ROTATED,
        )
        self._valkey_secret = secrets[RotatingSecret.VALKEY]
        aurora = self._database()
        proxy = self._database_proxy(aurora.cluster)
        roles = self._database_roles(aurora, proxy)
        cache_users = self._cache_users()
        cache = self._cache(cache_users)
        restore_tests = self._backup(aurora, recovery, after=cache) if settings.backup.enabled else None
        for name, value in {
            "ClusterIdentifier": aurora.cluster.cluster_identifier,
            **{secret.output: made.secret_arn for secret, made in secrets.items()},
            "DatabaseRolesFunction": roles.function.function_name,
        }.items():
            CfnOutput(self, name, value=value)
        self.refs = DataRefs(
            cluster=aurora.cluster,
            proxy=proxy,
            cache=cache,
            cache_users=cache_users,
            rotating_secrets=secrets,
            rotator_secret=self._rotator_secret,
            roles_function=roles.function,
            rotator_alarms=tuple(alarm.full_name for alarm in roles.alarms),
            restore_tests=restore_tests,
        )

    def _database(self) -> AuroraPostgres:
        settings = self._settings
        return AuroraPostgres(
            self,
            "Database",
            name=settings.full_name,
            vpc=self._network.vpc,
            security_group=self._network.database_group,
            key=self._data_key,
            secrets_key=self._secrets_key,
            engine_version=settings.aurora.engine_version,
            min_capacity=settings.aurora.min_capacity,
            max_capacity=settings.aurora.max_capacity,
            auto_pause=_seconds(settings.aurora.auto_pause_seconds),
            readers=settings.aurora.readers,
            backup_retention=Duration.days(settings.aurora.backup_retention_days),
            insights=settings.aurora.database_insights,
            log_defaults=self._logs,
            deletion_protection=settings.keeps_data,
            removal_policy=undeletable_policy(settings),
            log_removal_policy=removal_policy(settings),
            snapshot=settings.aurora.restore_from_snapshot,
        )

    def _database_roles(self, aurora: AuroraPostgres, proxy: DatabaseProxy | None) -> DatabaseRoles:
        settings = self._settings
        return DatabaseRoles(
            self,
            "DatabaseRoles",
            functions=self._functions,
            security_group=self._network.database_functions_group,
            cluster=aurora.cluster,
            master_secret=aurora.master_secret,
            rotator_secret=self._rotator_secret,
            rotator_name=f"{settings.prefix}/{_ROTATOR_NAME}",
            application_secret=self._database_secret,
            secrets_key=self._secrets_key,
            proxy_secrets=proxy.secrets if proxy else None,
            alarm_defaults=AlarmDefaults(
                prefix=f"{settings.full_name}-rotation-rotator",
                topic=self._state.alert_topic,
                runbook=settings.runbook("rotation.md"),
                section_prefix="rotation-rotator-",
            ),
        )

    def _database_proxy(self, cluster: rds.IDatabaseCluster) -> DatabaseProxy | None:
        security_group = self._network.database_proxy_group
        if security_group is None:
            return None
        # Exported in any case, so that turning the proxy off can be deployed stack by stack.
        self.export_value(cluster.cluster_endpoint.hostname)
        return DatabaseProxy(
            self,
            "DatabaseProxy",
            name=self._settings.full_name,
            vpc=self._network.vpc,
            security_group=security_group,
            cluster=cluster,
            secrets={role: self._proxy_secret(role) for role in LOGIN_ROLES},
            secrets_key=self._secrets_key,
            log_defaults=self._logs,
        )

    def _proxy_secret(self, role: str) -> PlatformSecret:
        letter = role.removeprefix("app_")
        return platform_secret(
            self,
            f"DatabaseProxySecret{letter.upper()}",
            f"database-proxy-{letter}",
            settings=self._settings,
            key=self._secrets_key,
            fields={"username": role},
            unrotated=_WHY_PROXY_SECRETS_ARE_NOT_ROTATED,
            kept=False,  # a retained secret would block its name when the proxy is enabled again
        )

    def _backup(
        self, aurora: AuroraPostgres, recovery: RecoveryRefs | None, *, after: ValkeyCache
    ) -> RestoreTestRefs | None:
        settings = self._settings
        vault = BackupVault(
            self,
            "BackupVault",
            name=settings.full_name,
            key=self._data_key,
            lock=settings.backup.vault_lock,
            shortest_retention=Duration.days(settings.backup.shortest_retention_days),
            removal_policy=removal_policy(settings),
        )
        plan = DatabaseBackup(
            self,
            "Backup",
            name=settings.full_name,
            cluster=aurora.cluster,
            vault=vault,
            key=self._data_key,
            copies=Copies(vault=recovery.vault, key=recovery.key) if recovery else None,
            retention={rule: Duration.days(days) for rule, days in settings.backup.retention_days.items()},
            alert_topic=self._state.alert_topic,
        )
        # Last: a rollback cannot delete a vault that already holds a recovery point.
        plan.node.add_dependency(after)
        restore_role = RestoreRole(
            self,
            "RestoreRole",
            cluster_names=[RESTORED_CLUSTERS, f"{settings.full_name}-restored*"],
            subnet_group=aurora.subnet_group,
            parameter_group=aurora.parameter_group,
            key=self._data_key,
        )
        CfnOutput(self, "RestoreRoleArn", value=restore_role.role_arn)
        groups = self._network.restore_test_groups
        return None if groups is None else self._restore_tests(aurora, vault, restore_role, groups)

    def _restore_tests(
        self,
        aurora: AuroraPostgres,
        vault: backup.IBackupVault,
        restore_role: iam.IRole,
        groups: RestoreTestGroups,
    ) -> RestoreTestRefs:
        settings = self._settings
        testing = RestoreTesting(
            self,
            "RestoreTesting",
            functions=self._functions,
            plan_name=settings.full_name.replace("-", "_"),
            cluster=aurora.cluster,
            subnet_group=aurora.subnet_group,
            parameter_group=aurora.parameter_group,
            security_group=groups.database,
            function_group=groups.functions,
            vault=vault,
            newest_within=Duration.days(settings.backup.newest_within_days),
            restore_role=restore_role,
            key=self._data_key,
            secrets_key=self._secrets_key,
            alarm_defaults=AlarmDefaults(
                prefix=f"{settings.full_name}-restore-test",
                topic=self._state.alert_topic,
                runbook=settings.runbook("operations.md"),
                section_prefix="restore-test-",
            ),
        )
        return RestoreTestRefs(
            plan=testing.plan_name, alarms=tuple(alarm.full_name for alarm in testing.alarms)
        )

    def _cache_users(self) -> CacheUsers:
        return CacheUsers(
            self,
            "CacheUser",
            functions=self._functions,
            security_group=self._network.cache_functions_group,
            user_id=self._settings.full_name,
            user_name=RotatingSecret.VALKEY.facts.fields["username"],
            access_string=APPLICATION_ACCESS,
            secret=self._valkey_secret,
            secrets_key=self._secrets_key,
            removal_policy=removal_policy(self._settings),
        )

    def _cache(self, users: CacheUsers) -> ValkeyCache:
        valkey = self._settings.valkey
        return ValkeyCache(
            self,
            "Cache",
            name=self._settings.full_name,
            user_ids=list(users.ids.values()),
            vpc=self._network.vpc,
            security_group=self._network.cache_group,
            key=self._data_key,
            max_data_gb=valkey.max_data_gb,
            max_ecpu_per_second=valkey.max_ecpu_per_second,
            snapshot_retention_days=valkey.snapshot_retention_days,
            removal_policy=removal_policy(self._settings),
        )


def _seconds(number: int | None) -> Duration | None:
    return None if number is None else Duration.seconds(number)
