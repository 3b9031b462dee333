"""Application Auto Scaling: a service with a scalable target is brought within its bounds, no more.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html
"""

import time
from collections.abc import Callable

from ministack.services import ecs

from sandbox.plugin.ecs import Services
from sandbox.plugin.patching import wrap
from sandbox.plugin.resource_types import Create, Properties, Provisioned, handlers, run_off_the_event_loop
from sandbox.plugin.responses import failed, message

_TYPE = "AWS::ApplicationAutoScaling::ScalableTarget"
_RUNNING_SECONDS = 60.0


def install(services: Services) -> None:
    """Have scalable targets, whose type has no behaviour until here, set the number of tasks."""
    entry = handlers(_TYPE)

    @wrap(entry, "create")
    def create(original: Create, logical_id: str, properties: Properties, stack_name: str) -> Provisioned:
        provisioned: Provisioned = original(logical_id, properties, stack_name)
        _bring_within_bounds(properties, services)
        return provisioned

    @wrap(entry, "update")
    def update(
        original: Callable[..., Provisioned],
        physical_id: str,
        old: Properties,
        new: Properties,
        *rest: object,
    ) -> Provisioned:
        provisioned = original(physical_id, old, new, *rest)
        _bring_within_bounds(new, services)
        return provisioned

    run_off_the_event_loop(_TYPE)


def _bring_within_bounds(target: Properties, services: Services) -> None:
    _, cluster, name = target["ResourceId"].split("/")
    low, high = int(target["MinCapacity"]), int(target["MaxCapacity"])
    service = ecs._services[f"{cluster}/{name}"]
    tasks = max(low, min(high, int(service["desiredCount"])))
    if tasks == service["desiredCount"]:
        return
    response = ecs._update_service({"cluster": cluster, "service": name, "desiredCount": tasks})
    if failed(response):
        raise ValueError(f"{_TYPE}: {message(response)}")
    # AWS does not wait; here it lets `up` end with all tasks.
    deadline = time.monotonic() + _RUNNING_SECONDS
    while service["runningCount"] != tasks and time.monotonic() < deadline:
        time.sleep(0.2)
        services.refresh()
