"""Observability: the dashboard, the alarms, and their subscribers."""

from collections.abc import Sequence

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from contract.service import HEALTH_PATH
from gantry.monitoring import dashboard_sections as sections
from gantry.monitoring.alarm import AlarmDefaults, NotifyingAlarm
from gantry.monitoring.dashboard import AlarmGroup, Section, ServiceDashboard
from gantry.monitoring.data_alarms import BackupAlarm, CacheAlarms, DatabaseAlarms, max_connections
from gantry.monitoring.health_canary import HealthCanary
from gantry.monitoring.ingress_alarms import BlockedRequestsAlarm, CertificateAlarm
from gantry.monitoring.metrics import FirewallMetrics
from gantry.monitoring.service_alarms import ServiceAlarms, ServiceUnhealthy
from gantry.monitoring.subscribers import Subscribers
from stacks.compute import ComputeRefs
from stacks.data import DataRefs
from stacks.layer import LayerStack, log_defaults
from stacks.network import NetworkRefs
from stacks.security import SecurityRefs
from stacks.settings import Settings
from stacks.state import StateRefs


class ObservabilityStack(LayerStack):
    """The dashboard, the alarms, and the subscriptions of their topics."""

    def __init__(
        self,
        scope: Construct,
        *,
        settings: Settings,
        state: StateRefs,
        network: NetworkRefs,
        data: DataRefs,
        compute: ComputeRefs,
        security: SecurityRefs,
    ) -> None:
        super().__init__(
            scope, "observability", settings=settings, description="Gantry: dashboard and alarms"
        )
        self._settings, self._state, self._network = settings, state, network
        self._data, self._compute, self._security = data, compute, security
        self._alarm_defaults = AlarmDefaults(
            prefix=settings.full_name,
            topic=state.alert_topic,
            runbook=settings.runbook("troubleshooting.md"),
        )
        self._firewall = FirewallMetrics(settings.full_name, self.region)
        service = self._service_alarms()
        canary = self._canary() if settings.canary.enabled else None
        symptoms = [*service.symptoms, *([canary.alarm] if canary else [])]
        pages = ServiceUnhealthy(
            self,
            "ServiceUnhealthy",
            alarm_defaults=self._alarm_defaults,
            symptoms=symptoms,
            page_topic=state.page_topic,
        )
        others = [alarm for alarm in service.alarms if alarm not in service.symptoms]
        ServiceDashboard(
            self,
            "Dashboard",
            name=settings.full_name,
            alarms=self._alarm_groups(
                [pages, *symptoms], [*others, *self._ingress_alarms(), *self._data_alarms()]
            ),
            sections=self._sections(canary),
        )
        self._subscribers()
        CfnOutput(self, "DashboardName", value=settings.full_name)

    def _service_alarms(self) -> ServiceAlarms:
        limits = self._settings.observability
        return ServiceAlarms(
            self,
            "Alarms",
            alarm_defaults=self._alarm_defaults,
            service=self._compute.service,
            ingress=self._compute.ingress,
            start_time=Duration.seconds(self._settings.ecs.start_seconds),
            cpu_percent=limits.cpu_alarm_percent,
            memory_percent=limits.memory_alarm_percent,
            latency_seconds=limits.latency_alarm_seconds,
            server_errors=limits.server_errors_alarm_count,
            server_errors_percent=limits.server_errors_alarm_percent,
        )

    def _ingress_alarms(self) -> list[NotifyingAlarm]:
        limits, certificate = self._settings.observability, self._settings.load_balancer.certificate_arn
        blocked = BlockedRequestsAlarm(
            self,
            "BlockedRequests",
            alarm_defaults=self._alarm_defaults,
            firewall=self._firewall,
            count=limits.blocked_requests_alarm_count,
            percent=limits.blocked_requests_alarm_percent,
        )
        if certificate is None:
            return [blocked]
        expires = CertificateAlarm(
            self, "CertificateExpires", alarm_defaults=self._alarm_defaults, certificate_arn=certificate
        )
        return [blocked, expires]

    def _data_alarms(self) -> list[NotifyingAlarm]:
        settings, limits, alarm_defaults = self._settings, self._settings.observability, self._alarm_defaults
        database = DatabaseAlarms(
            self,
            "DatabaseAlarms",
            alarm_defaults=alarm_defaults,
            cluster=self._data.cluster,
            min_capacity=settings.aurora.min_capacity,
            max_capacity=settings.aurora.max_capacity,
            readers=settings.aurora.readers > 0,
            capacity_percent=limits.capacity_alarm_percent,
            connections_percent=limits.connections_alarm_percent,
            replica_lag_milliseconds=limits.replica_lag_alarm_milliseconds,
        )
        cache = CacheAlarms(
            self,
            "CacheAlarms",
            alarm_defaults=alarm_defaults,
            cache=self._data.cache,
            max_data_gb=settings.valkey.max_data_gb,
            storage_percent=limits.cache_storage_alarm_percent,
        )
        alarms = [*database.alarms, *cache.alarms]
        if settings.backup.enabled and "daily" in settings.backup.retention_days:
            alarms.append(
                BackupAlarm(
                    self, "BackupOverdue", alarm_defaults=alarm_defaults, vault_name=settings.full_name
                )
            )
        return alarms

    def _alarm_groups(
        self, pages: Sequence[cloudwatch.IAlarm], alerts: Sequence[cloudwatch.IAlarm]
    ) -> list[AlarmGroup]:
        deployment = self._named("Deployment", self._compute.deployment_alarms)
        network = self._named("Network", self._network.alarms)
        rotation = self._named("Rotation", (*self._security.rotation_alarms, *self._data.rotator_alarms))
        restore_tests = self._data.restore_tests
        restores = self._named("RestoreTest", restore_tests.alarms if restore_tests else ())
        return [
            AlarmGroup(title="Pages", alarms=pages, width=6),
            AlarmGroup(title="Alerts", alarms=[*alerts, *network, *deployment], width=9),
            AlarmGroup(title="Secrets and backups", alarms=[*rotation, *restores], width=9),
        ]

    def _named(self, construct_id: str, names: Sequence[str]) -> list[cloudwatch.IAlarm]:
        """Return alarms of earlier layers by their names."""
        scope = Construct(self, f"{construct_id}Alarms")
        return [cloudwatch.Alarm.from_alarm_name(scope, name, name) for name in names]

    def _canary(self) -> HealthCanary:
        settings = self._settings
        load_balancer = self._compute.ingress.load_balancer.load_balancer_dns_name
        own = (
            f"https://{settings.domain.name}" if settings.domain.resolves_here else f"http://{load_balancer}"
        )
        return HealthCanary(
            self,
            "Canary",
            name=settings.full_name,
            url=settings.canary.url or f"{own}{HEALTH_PATH}",
            interval=Duration.minutes(settings.canary.minutes),
            runtime=settings.canary.runtime,
            artifacts=self._state.delivery_bucket,
            log_defaults=log_defaults(self, settings=settings, key=self._state.logs_key),
            alarm_defaults=self._alarm_defaults,
        )

    def _sections(self, canary: HealthCanary | None) -> list[Section]:
        settings, limits, compute = self._settings, self._settings.observability, self._compute
        aurora, valkey, restore_tests = settings.aurora, settings.valkey, self._data.restore_tests
        return [
            sections.golden_signals(
                service=compute.service,
                ingress=compute.ingress,
                cpu_percent=limits.cpu_alarm_percent,
                memory_percent=limits.memory_alarm_percent,
                latency_seconds=limits.latency_alarm_seconds,
            ),
            sections.tasks(
                service=compute.service,
                ingress=compute.ingress,
                canary=canary.canary if canary else None,
            ),
            sections.database(
                self._data.cluster,
                max_capacity=aurora.max_capacity,
                max_connections=max_connections(aurora.min_capacity, aurora.max_capacity),
            ),
            sections.cache(
                self._data.cache,
                max_data_gb=valkey.max_data_gb,
                max_ecpu_per_second=valkey.max_ecpu_per_second,
            ),
            sections.ingress(firewall=self._firewall, load_balancer=compute.ingress.load_balancer),
            sections.upkeep(
                secrets=self._security.rotated_secrets,
                cluster=self._data.cluster,
                backup_vault=settings.full_name if settings.backup.enabled else None,
                restore_test_plan=restore_tests.plan if restore_tests else None,
            ),
        ]

    def _subscribers(self) -> None:
        alerts, state = self._settings.alerts, self._state
        Subscribers(
            self, "AlertSubscribers", topic=state.alert_topic, emails=alerts.emails, webhooks=alerts.webhooks
        )
        Subscribers(
            self, "Pages", topic=state.page_topic, emails=alerts.page_emails, webhooks=alerts.page_webhooks
        )
