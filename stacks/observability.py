"""Observability: dashboard and alarms."""

from aws_cdk import CfnOutput
from constructs import Construct

from gantry.alarms import ServiceAlarms
from gantry.dashboard import ServiceDashboard
from stacks.compute import ComputeRefs
from stacks.data import DataRefs
from stacks.layer import LayerStack
from stacks.settings import Settings
from stacks.state import StateRefs


class ObservabilityStack(LayerStack):
    """What an operator looks at, and what wakes one up."""

    def __init__(
        self, scope: Construct, *, settings: Settings, state: StateRefs, data: DataRefs, compute: ComputeRefs
    ) -> None:
        super().__init__(
            scope, "observability", settings=settings, description="Gantry: dashboard and alarms"
        )
        name = settings.full_name
        ServiceDashboard(
            self,
            "Dashboard",
            name=name,
            service=compute.service,
            load_balancer=compute.load_balancer,
            target_group=compute.target_group,
            cluster=data.cluster,
            cache=data.cache,
        )
        ServiceAlarms(
            self,
            "Alarms",
            name_prefix=name,
            topic=state.alert_topic,
            service=compute.service,
            target_group=compute.target_group,
            cpu_percent=settings.observability.cpu_alarm_percent,
            memory_percent=settings.observability.memory_alarm_percent,
            latency_seconds=settings.observability.latency_alarm_seconds,
            server_errors=settings.observability.server_errors_alarm_count,
        )
        CfnOutput(self, "DashboardName", value=name)
