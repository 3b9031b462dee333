"""How many tasks a service runs, when, and on which capacity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aws_cdk import Duration, TimeZone
from aws_cdk import aws_applicationautoscaling as appscaling
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2

CAPACITY_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
_SCALE_IN_COOLDOWN = Duration.minutes(5)
_SCALE_OUT_COOLDOWN = Duration.minutes(1)


@dataclass(frozen=True, kw_only=True)
class ScheduledCapacity:
    """Bounds of the number of tasks from a time on.

    Attributes
    ----------
    schedule, time_zone
        ``cron(…)`` or ``at(…)`` of Application Auto Scaling, and the zone that it is read in.
    min_capacity, max_capacity
        Fewest and most tasks from then on.
    """

    schedule: str
    time_zone: str
    min_capacity: int
    max_capacity: int


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How many tasks there are.

    Attributes
    ----------
    min_capacity, max_capacity
        Fewest and most tasks.
    cpu_target_utilization
        CPU percentage that tasks use on average.
    requests_per_target
        Requests a minute of each task; None leaves scaling to the CPU.
    scheduled
        Other bounds at certain times, by name.
    spot_percent
        Share on Fargate Spot of the tasks above the fewest, which are always on demand.
    """

    min_capacity: int
    max_capacity: int
    cpu_target_utilization: int
    requests_per_target: int | None = None
    scheduled: Mapping[str, ScheduledCapacity] = field(default_factory=dict)
    spot_percent: int = 0

    @property
    def capacity(self) -> Sequence[ecs.CapacityProviderStrategy]:
        """What the tasks run on: shares of on demand and Spot, so that changing them replaces nothing."""
        on_demand, spot = CAPACITY_PROVIDERS
        if self.spot_percent == 0:
            return [ecs.CapacityProviderStrategy(capacity_provider=on_demand, weight=1)]
        return [
            ecs.CapacityProviderStrategy(
                capacity_provider=on_demand, base=self.min_capacity, weight=100 - self.spot_percent
            ),
            ecs.CapacityProviderStrategy(capacity_provider=spot, weight=self.spot_percent),
        ]


def scale(
    service: ecs.FargateService, *, name: str, scaling: Scaling, target_group: elbv2.ApplicationTargetGroup
) -> None:
    """Have Application Auto Scaling keep a service's number of tasks.

    Parameters
    ----------
    service
        The service; it must not name a number of tasks itself, or each update would go back to that.
    name
        Begins the policies' names.
    scaling
        The bounds and targets.
    target_group
        Whose requests are counted.
    """
    target = service.auto_scale_task_count(
        min_capacity=scaling.min_capacity, max_capacity=scaling.max_capacity
    )
    target.scale_on_cpu_utilization(
        "Cpu",
        policy_name=f"{name}-cpu",
        target_utilization_percent=scaling.cpu_target_utilization,
        scale_in_cooldown=_SCALE_IN_COOLDOWN,
        scale_out_cooldown=_SCALE_OUT_COOLDOWN,
    )
    if scaling.requests_per_target is not None:
        target.scale_on_request_count(
            "Requests",
            policy_name=f"{name}-requests",
            requests_per_target=scaling.requests_per_target,
            target_group=target_group,
            scale_in_cooldown=_SCALE_IN_COOLDOWN,
            scale_out_cooldown=_SCALE_OUT_COOLDOWN,
        )
    for action, bounds in scaling.scheduled.items():
        target.scale_on_schedule(
            action,
            schedule=appscaling.Schedule.expression(bounds.schedule),
            time_zone=TimeZone.of(bounds.time_zone),
            min_capacity=bounds.min_capacity,
            max_capacity=bounds.max_capacity,
        )
