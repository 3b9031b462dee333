"""How the load balancer finds the tasks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops import task_health
from ops.status.look import Look
from ops.status.part import Part


@dataclass(frozen=True, kw_only=True)
class Target:
    """A task as the load balancer finds it; the group is the target group's name."""

    group: str
    target: str
    state: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Targets(Part):
    """The targets of the service's target groups."""

    items: Sequence[Target]

    def problems(self) -> Iterator[str]:
        """Yield that none is healthy, or which are not."""
        if not any(each.state == "healthy" for each in self.items):
            yield "no target of the load balancer is healthy"
        for each in self.items:
            if each.state == "unhealthy":
                yield f"target {each.target} is unhealthy: {each.reason}"

    def lines(self) -> Iterator[str]:
        """Yield how many are in which state."""
        states = Counter(each.state for each in self.items)
        yield ", ".join(f"{number} {state}" for state, number in sorted(states.items())) or "none"
        for each in self.items:
            if each.state == "unhealthy":
                yield f"{each.target}: {each.reason}"


def read(look: Look) -> Targets:
    """Return the targets of both groups."""
    client = look.environment.load_balancing
    return Targets(
        items=[
            Target(
                group=group.rpartition(":targetgroup/")[2].partition("/")[0],
                target=f"{each['Target']['Id']}:{each['Target'].get('Port', '')}",
                state=each["TargetHealth"]["State"],
                reason=each["TargetHealth"].get("Description") or each["TargetHealth"].get("Reason", ""),
            )
            for group in task_health.target_groups(look.service)
            for each in client.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        ]
    )
