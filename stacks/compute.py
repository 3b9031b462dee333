"""Compute: the service behind its load balancer."""

from dataclasses import dataclass
from pathlib import Path

from aws_cdk import CfnOutput, Duration, Token
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from gantry.alarms import DeploymentAlarms
from gantry.container_image import container_image
from gantry.load_balancer import PublicLoadBalancer
from gantry.secrets import PlatformSecret
from gantry.web_firewall import WebFirewall
from gantry.web_service import HEALTH_PATH, WebService
from stacks.data import DATABASE, DataRefs
from stacks.layer import LayerStack, imported_key, log_retention, removal_policy
from stacks.network import SERVICE_PORT, NetworkRefs
from stacks.settings import Settings
from stacks.state import StateRefs


@dataclass(frozen=True, kw_only=True)
class ComputeRefs:
    """What later layers use of the compute layer."""

    service: ecs.FargateService
    load_balancer: elbv2.ApplicationLoadBalancer
    target_group: elbv2.ApplicationTargetGroup
    web_acl: wafv2.CfnWebACL
    deployment_alarms: tuple[str, ...]
    signing_key_secret: secretsmanager.ISecret


class ComputeStack(LayerStack):
    """ECS Fargate behind a load balancer and its WAF, and the key ring that signs the service's cookies."""

    def __init__(
        self,
        scope: Construct,
        *,
        settings: Settings,
        state: StateRefs,
        network: NetworkRefs,
        data: DataRefs,
        service_dir: Path,
    ) -> None:
        super().__init__(scope, "compute", settings=settings, description="Gantry: service and load balancer")
        self._settings, self._network = settings, network
        self._secrets_key = imported_key(self, "SecretsKey", state.secrets_key)
        self._logs_key = imported_key(self, "LogsKey", state.logs_key)
        signing_key = PlatformSecret(
            self,
            "SigningKeySecret",
            name=f"{settings.prefix}/signing-key",
            description=f"{settings.prefix}: key ring that signs the service's cookies",
            key=self._secrets_key,
            generated_field="current",
            length=64,
            removal_policy=removal_policy(settings),
        )
        door = self._door(state)
        firewall = self._firewall(door)
        alarms = self._deployment_alarms(door)
        image = container_image(
            self, "ImageRepository", reference=settings.container_image, source=service_dir
        )
        web = self._service(image, door, data, signing_key, alarms)
        for name, value in {
            "ServiceUrl": door.url,
            "LoadBalancerDnsName": door.load_balancer.load_balancer_dns_name,
            "ClusterName": web.cluster.cluster_name,
            "ServiceName": web.service.service_name,
            "ServiceLogGroupName": web.log_group.log_group_name,
            "SigningKeySecretArn": signing_key.secret_arn,
        }.items():
            CfnOutput(self, name, value=value)
        # Exported also where no canary asks for it, so that turning one off is one deployment.
        self.export_value(door.load_balancer.load_balancer_dns_name)
        self.refs = ComputeRefs(
            service=web.service,
            load_balancer=door.load_balancer,
            target_group=door.target_group,
            web_acl=firewall.web_acl,
            deployment_alarms=tuple(alarm.full_name for alarm in alarms.alarms),
            signing_key_secret=signing_key,
        )

    def _door(self, state: StateRefs) -> PublicLoadBalancer:
        settings = self._settings
        return PublicLoadBalancer(
            self,
            "Door",
            vpc=self._network.vpc,
            security_group=self._network.load_balancer_group,
            port=SERVICE_PORT,
            health_path=HEALTH_PATH,
            certificate_arn=settings.load_balancer.certificate_arn,
            access_logs=state.delivery_bucket,
            deregistration_delay=Duration.seconds(settings.ecs.deregistration_delay_seconds),
            deletion_protection=settings.load_balancer.deletion_protection,
        )

    def _firewall(self, door: PublicLoadBalancer) -> WebFirewall:
        settings = self._settings
        return WebFirewall(
            self,
            "Firewall",
            name=settings.full_name,
            load_balancer=door.load_balancer,
            requests_per_five_minutes=settings.load_balancer.requests_per_five_minutes,
            logs_key=self._logs_key,
            log_retention=log_retention(settings),
        )

    def _deployment_alarms(self, door: PublicLoadBalancer) -> DeploymentAlarms:
        settings = self._settings
        return DeploymentAlarms(
            self,
            "DeploymentAlarms",
            name_prefix=f"{settings.full_name}-deployment",
            runbook=settings.runbook("troubleshooting.md"),
            target_group=door.target_group,
            server_errors=settings.observability.server_errors_alarm_count,
        )

    def _service(
        self,
        image: ecs.ContainerImage,
        door: PublicLoadBalancer,
        data: DataRefs,
        signing_key: secretsmanager.ISecret,
        alarms: DeploymentAlarms,
    ) -> WebService:
        settings = self._settings
        return WebService(
            self,
            "Web",
            name=settings.full_name,
            vpc=self._network.vpc,
            security_group=self._network.service_group,
            target_group=door.target_group,
            image=image,
            port=SERVICE_PORT,
            environment=self._environment(data),
            secrets={
                "DATABASE_SECRET": data.database_secret,
                "VALKEY_SECRET": data.valkey_secret,
                "SECRET_KEY_BASE": signing_key,
            },
            secrets_key=self._secrets_key,
            log_group_name=f"{settings.log_group_prefix}service",
            logs_key=self._logs_key,
            log_retention=log_retention(settings),
            cpu=settings.ecs.cpu,
            memory_mib=settings.ecs.memory_mib,
            stop_timeout=Duration.seconds(settings.ecs.stop_timeout_seconds),
            min_capacity=settings.ecs.min_capacity,
            max_capacity=settings.ecs.max_capacity,
            cpu_target_utilization=settings.ecs.cpu_target_utilization,
            deployment_alarms=alarms.alarms,
        )

    def _environment(self, data: DataRefs) -> dict[str, str]:
        settings = self._settings
        return settings.ecs.environment | {
            "PORT": str(SERVICE_PORT),
            "ENVIRONMENT": settings.environment,
            "SERVICE_VERSION": settings.service_version,
            "LOG_LEVEL": settings.ecs.log_level,
            "STOP_TIMEOUT_SECONDS": str(settings.ecs.stop_timeout_seconds),
            "COOKIE_SECURE": "false" if settings.load_balancer.certificate_arn is None else "true",
            "DATABASE_HOST": data.cluster.cluster_endpoint.hostname,
            "DATABASE_PORT": Token.as_string(data.cluster.cluster_endpoint.port),
            "DATABASE_NAME": DATABASE,
            "DATABASE_POOL_MIN": str(settings.ecs.database_pool_min),
            "DATABASE_POOL_MAX": str(settings.ecs.database_pool_max),
            "VALKEY_HOST": data.cache.attr_endpoint_address,
            "VALKEY_PORT": data.cache.attr_endpoint_port,
        }
