"""Compute: the service behind its load balancer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import CfnOutput, Duration, Token
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from contract.database import DATABASE
from contract.secrets import RotatingSecret
from contract.service import OLDEST_SCHEMA_LABEL, PORT, SCHEMA_LABEL
from gantry.monitoring.deployment_alarms import DeploymentAlarms, ShedRequests
from gantry.service.accelerator import Accelerator, RegionalEndpoint
from gantry.service.deployment import DeploymentPlan
from gantry.service.domain import ServiceDomain
from gantry.service.firewall import WebFirewall
from gantry.service.image import ServiceImage
from gantry.service.load_balancer import Ingress, PublicLoadBalancer
from gantry.service.scaling import Scaling, ScheduledCapacity
from gantry.service.web_service import WebService
from stacks.data import DataRefs
from stacks.image import service_image
from stacks.layer import LayerStack, imported_key, log_defaults, rotating_secrets
from stacks.network import NetworkRefs
from stacks.settings import Settings
from stacks.settings.compute import DeploymentSettings, EcsSettings
from stacks.state import StateRefs


@dataclass(frozen=True, kw_only=True)
class ComputeRefs:
    """What later layers use of the compute layer."""

    service: ecs.IBaseService
    ingress: Ingress
    deployment_alarms: tuple[str, ...]
    rotating_secrets: Mapping[RotatingSecret, secretsmanager.ISecret]


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
        self._logs = log_defaults(self, settings=settings, key=state.logs_key)
        secrets = rotating_secrets(self, "compute", settings=settings, key=self._secrets_key)
        domain = self._domain()
        balancer = self._load_balancer(state, domain)
        address = self._route_public_traffic(balancer, state, domain)
        firewall = self._firewall(balancer)
        alarms = self._deployment_alarms(balancer)
        image = service_image(self, settings=settings, source=service_dir)
        web = self._service(image, balancer, data, {**data.rotating_secrets, **secrets}, alarms)
        ShedRequests(self, "ShedRequests", log_group=web.log_group, name=settings.full_name)
        for name, value in {
            "ServiceUrl": f"{'https' if settings.https else 'http'}://{address}",
            "LoadBalancerDnsName": balancer.load_balancer.load_balancer_dns_name,
            "ClusterName": web.cluster.cluster_name,
            "ServiceName": web.service.service_name,
            "FirewallLogGroupName": firewall.log_group_name,
            **{secret.output: made.secret_arn for secret, made in secrets.items()},
        }.items():
            CfnOutput(self, name, value=value)
        # Exported in any case: else turning the canary off would fail on an export that is still in use.
        self.export_value(balancer.load_balancer.load_balancer_dns_name)
        self.refs = ComputeRefs(
            service=web.service,
            ingress=balancer.ingress,
            deployment_alarms=tuple(alarm.full_name for alarm in alarms.alarms),
            rotating_secrets=secrets,
        )

    def _domain(self) -> ServiceDomain | None:
        domain = self._settings.domain
        name, zone_id, zone_name = domain.name, domain.hosted_zone_id, domain.hosted_zone_name
        if name is None or zone_id is None or zone_name is None:
            return None
        return ServiceDomain(self, "Domain", name=name, hosted_zone_id=zone_id, hosted_zone_name=zone_name)

    def _certificate(self, domain: ServiceDomain | None) -> acm.ICertificate | None:
        given = self._settings.load_balancer.certificate_arn
        if given is not None:
            return acm.Certificate.from_certificate_arn(self, "Certificate", given)
        return None if domain is None else domain.certificate()

    def _route_public_traffic(
        self, balancer: PublicLoadBalancer, state: StateRefs, domain: ServiceDomain | None
    ) -> str:
        """Route public traffic to the load balancer; return the public host name."""
        settings = self._settings
        accelerator, dial = settings.accelerator, settings.accelerator.traffic_dial
        listener_arn, address = accelerator.listener_arn, balancer.load_balancer.load_balancer_dns_name
        alias: route53.IAliasRecordTarget = targets.LoadBalancerTarget(balancer.load_balancer)
        if accelerator.mode == "create":
            global_accelerator = Accelerator(
                self,
                "Accelerator",
                name=settings.full_name,
                ports=settings.listener_ports,
                flow_logs=state.delivery_bucket,
            )
            listener_arn, address = global_accelerator.listener_arn, global_accelerator.dns_name
            alias = targets.GlobalAcceleratorDomainTarget(global_accelerator.dns_name)
            CfnOutput(self, "AcceleratorListenerArn", value=listener_arn)
        # At 0 there is no endpoint group: in a failover Global Accelerator ignores the traffic dial.
        if listener_arn is not None and dial > 0:
            RegionalEndpoint(
                self,
                "Endpoint",
                listener_arn=listener_arn,
                load_balancer=balancer.load_balancer,
                traffic_dial_percent=dial,
            )
        if domain is None or not settings.domain.record:
            return address
        # Only the environment that made the accelerator makes the DNS record.
        if accelerator.mode != "existing":
            domain.add_alias_record(alias)
        return domain.name

    def _load_balancer(self, state: StateRefs, domain: ServiceDomain | None) -> PublicLoadBalancer:
        settings = self._settings
        access_logs = state.delivery_bucket if settings.load_balancer.access_logs else None
        return PublicLoadBalancer(
            self,
            "Ingress",
            vpc=self._network.vpc,
            security_group=self._network.load_balancer_group,
            certificate=self._certificate(domain),
            access_logs=access_logs,
            alternate=settings.deployment.alternate_target_group,
            deregistration_delay=Duration.seconds(settings.ecs.deregistration_delay_seconds),
            deletion_protection=settings.load_balancer.deletion_protection,
        )

    def _firewall(self, balancer: PublicLoadBalancer) -> WebFirewall:
        settings = self._settings
        return WebFirewall(
            self,
            "Firewall",
            name=settings.full_name,
            load_balancer=balancer.load_balancer,
            requests_per_five_minutes=settings.firewall.requests_per_five_minutes,
            managed_groups=settings.firewall.managed_groups,
            allowed_addresses=settings.firewall.allowed_addresses,
            blocked_addresses=settings.firewall.blocked_addresses,
            log_defaults=self._logs,
        )

    def _deployment_alarms(self, balancer: PublicLoadBalancer) -> DeploymentAlarms:
        settings = self._settings
        return DeploymentAlarms(
            self,
            "DeploymentAlarms",
            name=settings.full_name,
            runbook=settings.runbook("troubleshooting.md"),
            ingress=balancer.ingress,
            start_time=Duration.seconds(settings.ecs.start_seconds),
            server_errors=settings.observability.deployment_errors_alarm_count,
            server_errors_percent=settings.observability.deployment_errors_alarm_percent,
        )

    def _service(
        self,
        image: ServiceImage,
        balancer: PublicLoadBalancer,
        data: DataRefs,
        secrets: Mapping[RotatingSecret, secretsmanager.ISecret],
        alarms: DeploymentAlarms,
    ) -> WebService:
        settings = self._settings
        return WebService(
            self,
            "Web",
            name=settings.full_name,
            vpc=self._network.vpc,
            security_group=self._network.service_group,
            target_group=balancer.target_group,
            alternate=balancer.alternate,
            image=image,
            environment=self._environment(image, data),
            secrets={secret.facts.variable: made for secret, made in secrets.items()},
            secrets_key=self._secrets_key,
            log_defaults=self._logs,
            cpu=settings.ecs.cpu,
            memory_mib=settings.ecs.memory_mib,
            start_time=Duration.seconds(settings.ecs.start_seconds),
            stop_timeout=Duration.seconds(settings.ecs.stop_timeout_seconds),
            writable_paths=settings.ecs.writable_paths,
            health_check_command=settings.ecs.health_check_command,
            labels=_labels(settings.deployment),
            execute_command=settings.ecs.execute_command,
            scaling=_scaling(settings.ecs),
            deployment=_deployment(settings.deployment),
            deployment_alarms=alarms.alarms,
        )

    def _environment(self, image: ServiceImage, data: DataRefs) -> dict[str, str]:
        settings, proxy = self._settings, data.proxy
        # RDS Proxy pins a client that uses prepared statements to one connection.
        proxied = {} if proxy is None else {"DATABASE_PREPARED_STATEMENTS": "false"}
        # One worker a vCPU, unless [ecs.environment] sets the variable; the platform's own come last.
        workers = {"WEB_CONCURRENCY": str(max(1, settings.ecs.cpu // 1024))}
        return (
            workers
            | settings.ecs.environment
            | {
                "PORT": str(PORT),
                "ENVIRONMENT": settings.environment,
                "SERVICE_VERSION": image.version,
                "LOG_LEVEL": settings.ecs.log_level,
                "STOP_TIMEOUT_SECONDS": str(settings.ecs.stop_timeout_seconds),
                "COOKIE_SECURE": "true" if settings.https else "false",
                "DATABASE_HOST": proxy.endpoint if proxy else data.cluster.cluster_endpoint.hostname,
                "DATABASE_PORT": Token.as_string(data.cluster.cluster_endpoint.port),
                "DATABASE_NAME": DATABASE,
                "DATABASE_POOL_MIN": str(settings.ecs.database_pool_min),
                "DATABASE_POOL_MAX": str(settings.ecs.database_pool_max),
                "VALKEY_HOST": data.cache.host,
                "VALKEY_PORT": data.cache.port,
                **proxied,
            }
        )


def _scaling(ecs_settings: EcsSettings) -> Scaling:
    return Scaling(
        min_capacity=ecs_settings.min_capacity,
        max_capacity=ecs_settings.max_capacity,
        cpu_target_utilization=ecs_settings.cpu_target_utilization,
        requests_per_target=ecs_settings.requests_per_target,
        scheduled={
            name: ScheduledCapacity(
                schedule=action.schedule,
                time_zone=action.time_zone,
                min_capacity=action.min_capacity,
                max_capacity=action.max_capacity,
            )
            for name, action in ecs_settings.scheduled_scaling.items()
        },
        spot_percent=ecs_settings.spot_percent,
    )


def _labels(deployment: DeploymentSettings) -> dict[str, str]:
    """Return what a version says of the database's schema."""
    version, oldest = deployment.schema_version, deployment.oldest_schema_version
    if version is None:
        return {}
    return {SCHEMA_LABEL: str(version), OLDEST_SCHEMA_LABEL: str(version if oldest is None else oldest)}


def _deployment(deployment: DeploymentSettings) -> DeploymentPlan:
    return DeploymentPlan(
        strategy=deployment.strategy,
        step_percent=deployment.step_percent,
        step_time=Duration.minutes(deployment.step_minutes),
        bake_time=Duration.minutes(deployment.bake_minutes),
    )
