"""Security: the rotation of the service's secrets, CloudTrail, threat detection, GitHub's deploy role."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_accessanalyzer as accessanalyzer
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from contract import log_groups
from contract.secrets import RotatingSecret
from gantry.cache.users import turn_statements
from gantry.database.restored_clusters import database_arn
from gantry.database.rotator_repair import RotatorRepair
from gantry.delivery.deploy_role import GitHubDeployRole, GitHubProvider, github_provider_arn
from gantry.functions.python_asset import PythonSource
from gantry.functions.python_function import FunctionDefaults
from gantry.monitoring.alarm import AlarmDefaults
from gantry.secrets.rotation import RotatedSecret, RotationSchedule, RotationStrategy, reconcile_rules
from gantry.secrets.secret import read_statements
from gantry.security.alerts import CloudTrailAlerts
from gantry.security.threat_detection import AccessAlert, ThreatAlert, ThreatDetector
from stacks.compute import ComputeRefs
from stacks.data import DataRefs
from stacks.layer import (
    LayerStack,
    imported_key,
    log_defaults,
    removal_policy,
    stack_arns,
)
from stacks.network import NetworkRefs
from stacks.recovery import RecoveryRefs
from stacks.settings import Settings
from stacks.settings.schedules import longest_pause_days
from stacks.state import StateRefs


@dataclass(frozen=True, kw_only=True)
class SecurityRefs:
    """What later layers show of the security layer.

    By name: what has an export in use could not be deleted.
    """

    rotation_alarms: tuple[str, ...]
    rotated_secrets: Mapping[str, str]


class SecurityStack(LayerStack):
    """The rotations, the trail, what watches the account, and the role that deploys from GitHub."""

    def __init__(
        self,
        scope: Construct,
        *,
        settings: Settings,
        state: StateRefs,
        network: NetworkRefs,
        data: DataRefs,
        compute: ComputeRefs,
        recovery: RecoveryRefs | None,
        lambda_source: PythonSource,
    ) -> None:
        super().__init__(scope, "security", settings=settings, description="Gantry: rotations and trail")
        self._settings, self._state = settings, state
        self._compute, self._data, self._network = compute, data, network
        self._logs = log_defaults(self, settings=settings, key=state.logs_key)
        self._secrets_key = imported_key(self, "SecretsKey", state.secrets_key)
        self._functions = FunctionDefaults(source=lambda_source, vpc=network.vpc, log_defaults=self._logs)
        self._reconcile_rules = reconcile_rules(self, service=compute.service)
        self._secrets = {**data.rotating_secrets, **compute.rotating_secrets}
        rotations = {secret: self._rotation(secret) for secret in self._secrets}
        RotatorRepair(
            self,
            "RotatorRepair",
            log_group=rotations[RotatingSecret.DATABASE].log_group,
            function=data.roles_function,
        )
        self._add_trail_and_alerts(recovery)
        self._add_threat_detection()
        self._add_github_deploy_role()
        self.refs = SecurityRefs(
            rotation_alarms=tuple(alarm.full_name for each in rotations.values() for alarm in each.alarms),
            rotated_secrets={secret: self._secret_name(secret) for secret in self._secrets},
        )

    def _secret_name(self, secret: RotatingSecret) -> str:
        return f"{self._settings.prefix}/{secret}"

    def _strategy(self, secret: RotatingSecret) -> RotationStrategy:
        network, (environment, statements) = self._network, self._needs(secret)
        groups = {
            "functions": network.functions_group,
            "database_functions": network.database_functions_group,
            "cache_functions": network.cache_functions_group,
        }
        return RotationStrategy(
            name=secret,
            security_group=groups[secret.facts.functions],
            environment=environment,
            statements=statements,
        )

    def _needs(self, secret: RotatingSecret) -> tuple[dict[str, str], list[iam.PolicyStatement]]:
        """Return what a strategy's function needs besides the secret: its variables and permissions."""
        data, settings = self._data, self._settings
        if secret is RotatingSecret.DATABASE:
            return {
                "DATABASE_CLUSTER": data.cluster.cluster_identifier,
                "ROTATOR_SECRET_ARN": data.rotator_secret.secret_arn,
                **({"DATABASE_PAUSES": "true"} if settings.aurora.min_capacity == 0 else {}),
                **self._proxy_environment(),
            }, [
                *read_statements(self, self._secrets_key, data.rotator_secret),
                iam.PolicyStatement(
                    actions=["rds:DescribeDBClusters"],
                    resources=[database_arn(self, "cluster", data.cluster.cluster_identifier)],
                ),
                *self._proxy_statements(),
            ]
        if secret is RotatingSecret.VALKEY:
            return {
                "CACHE_USER_NAMES": ",".join(data.cache_users.ids),
                "CACHE_USER_IDS": ",".join(data.cache_users.ids.values()),
                "CACHE_USER_GROUP": settings.full_name,
                "CACHE_ACCESS_STRING": data.cache_users.access_string,
                "CACHE_HOST": data.cache.host,
                "CACHE_PORT": data.cache.port,
            }, turn_statements(self, data.cache_users, settings.full_name)
        if secret.is_key_ring:
            return {"SESSION_LIFETIME_SECONDS": str(settings.rotation.session_lifetime_seconds)}, []
        raise NotImplementedError(f"_needs does not say what the rotation of {secret} needs")

    def _proxy_environment(self) -> dict[str, str]:
        proxy = self._data.proxy
        if proxy is None:
            return {}
        arns = {f"PROXY_{role.upper()}_SECRET_ARN": each.secret_arn for role, each in proxy.secrets.items()}
        return {"PROXY_HOST": proxy.endpoint, **arns}

    def _proxy_statements(self) -> list[iam.PolicyStatement]:
        proxy = self._data.proxy
        if proxy is None:
            return []
        return read_statements(self, self._secrets_key, *proxy.secrets.values(), write=True)

    def _rotation(self, secret: RotatingSecret) -> RotatedSecret:
        settings = self._settings
        return RotatedSecret(
            self,
            f"{secret.word}Rotation",
            functions=self._functions,
            secret=self._secrets[secret],
            secret_name=self._secret_name(secret),
            secrets_key=self._secrets_key,
            strategy=self._strategy(secret),
            schedule=_schedule(settings.rotation.schedule(secret)),
            release_time=self._release_time(),
            longest_deployment=Duration.seconds(
                settings.ecs.start_seconds + 60 * settings.deployment.wait_minutes
            ),
            service=self._compute.service,
            cluster_name=settings.full_name,
            reconcile_rules=self._reconcile_rules,
            alarm_defaults=AlarmDefaults(
                prefix=f"{settings.full_name}-rotation-{secret}",
                topic=self._state.alert_topic,
                runbook=settings.runbook("rotation.md"),
            ),
        )

    def _release_time(self) -> Duration | None:
        """Return how long a release may take until its traffic moves; None where none moves."""
        if not self._settings.deployment.alternate_target_group:
            return None
        # As many starts as the circuit breaker lets fail, and 15 minutes to get capacity.
        return Duration.seconds(3 * self._settings.ecs.start_seconds + 15 * 60)

    def _add_trail_and_alerts(self, recovery: RecoveryRefs | None) -> None:
        """Make the trail if it is to be made, and the alerts on CloudTrail's events unless it is off."""
        trail, state = self._settings.security.trail, self._state
        if trail == "create":
            self._trail()
        if trail == "off":
            return
        keys = [state.data_key, state.secrets_key, state.logs_key, state.messages_key]
        if recovery is not None:
            keys.append(recovery.key)
        CloudTrailAlerts(
            self,
            "Alerts",
            key_arns=[key.key_arn for key in keys],
            secret_arns=[secret.secret_arn for secret in self._secrets.values()],
            topic=state.alert_topic,
        )

    def _trail(self) -> None:
        cloudtrail.Trail(
            self,
            "Trail",
            trail_name=self._settings.full_name,
            # By its name: given the construct, Trail would add broader statements to the bucket's policy.
            bucket=s3.Bucket.from_bucket_name(self, "TrailBucket", self._state.trail_bucket.bucket_name),
            encryption_key=self._logs.key,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_file_validation=True,
            send_to_cloud_watch_logs=True,
            cloud_watch_log_group=self._logs.group(
                self, "TrailLogGroup", name=log_groups.TRAIL, removal_policy=removal_policy(self._settings)
            ),
        )

    def _add_threat_detection(self) -> None:
        security, topic = self._settings.security, self._state.alert_topic
        if security.access_analyzer == "create":
            accessanalyzer.CfnAnalyzer(self, "AccessAnalyzer", type="ACCOUNT")
        if security.access_analyzer != "off":
            AccessAlert(self, "OpenToOthers", topic=topic)
        if security.guardduty == "create":
            ThreatDetector(self, "ThreatDetector")
        if security.guardduty != "off":
            ThreatAlert(self, "ThreatFound", severity=security.guardduty_severity, topic=topic)

    def _add_github_deploy_role(self) -> None:
        github = self._settings.security.github
        if github.provider == "off":
            return
        role = GitHubDeployRole(
            self,
            "DeployRole",
            name=f"{self._settings.full_name}-deploy",
            subject=github.subject,
            provider_arn=github_provider_arn(self),
            regions=self._settings.regions,
            stacks=stack_arns(self, self._settings),
            session=Duration.hours(self._settings.deployment.session_hours),
        )
        if github.provider == "create":
            role.node.add_dependency(GitHubProvider(self, "GitHubProvider"))
        CfnOutput(self, "DeployRoleArn", value=role.role_arn)


def _schedule(expression: str) -> RotationSchedule:
    # Settings refuse a schedule that never runs; `or 0` is for the type checker.
    days = longest_pause_days(expression) or 0
    return RotationSchedule(expression=expression, period=Duration.days(days))
