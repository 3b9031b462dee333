"""Application Auto Scaling: a service with a scalable target is brought within its bounds, no more.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html
"""

import json
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core.responses import get_account_id, get_region
from ministack.services import ecs

from sandbox.plugin.ecs import Services
from sandbox.plugin.patching import wrap
from sandbox.plugin.resource_types import Create, Properties, Provisioned, handlers, run_off_the_event_loop
from sandbox.plugin.responses import Response, answer, error, failed, message

_TYPE = "AWS::ApplicationAutoScaling::ScalableTarget"
_NAMESPACE = "application-autoscaling"
_RUNNING_SECONDS = 60.0

# What was done since this process began, the newest first, by account and region.
_activities: dict[tuple[str, str], deque[dict[str, Any]]] = {}


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
    app.SERVICE_HANDLERS[_NAMESPACE] = _serve


def _bring_within_bounds(target: Properties, services: Services) -> None:
    _, cluster, name = target["ResourceId"].split("/")
    low, high = int(target["MinCapacity"]), int(target["MaxCapacity"])
    service = ecs._services[f"{cluster}/{name}"]
    tasks = max(low, min(high, int(service["desiredCount"])))
    if tasks == service["desiredCount"]:
        return
    began = time.time()
    response = ecs._update_service({"cluster": cluster, "service": name, "desiredCount": tasks})
    if failed(response):
        raise ValueError(f"{_TYPE}: {message(response)}")
    # AWS does not wait; here it lets `up` end with all tasks.
    deadline = time.monotonic() + _RUNNING_SECONDS
    while service["runningCount"] != tasks and time.monotonic() < deadline:
        time.sleep(0.2)
        services.refresh()
    _record(target, tasks, "minimum" if tasks == low else "maximum", began)


def _record(target: Properties, tasks: int, bound: str, began: float) -> None:
    # In the words of AWS ("describe-scaling-activities" in the AWS CLI Command Reference).
    activity = {
        "ActivityId": str(uuid.uuid4()),
        "ServiceNamespace": target["ServiceNamespace"],
        "ResourceId": target["ResourceId"],
        "ScalableDimension": target["ScalableDimension"],
        "Description": f"Setting desired count to {tasks}.",
        "Cause": f"{bound} capacity was set to {tasks}",
        "StartTime": began,
        "EndTime": time.time(),
        "StatusCode": "Successful",
        "StatusMessage": f"Successfully set desired count to {tasks}. Change successfully fulfilled by ecs.",
    }
    _activities.setdefault((get_account_id(), get_region()), deque(maxlen=100)).appendleft(activity)


async def _serve(method: str, path: str, headers: dict[str, str], body: bytes, query: object) -> Response:
    del method, path, query
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if action != "DescribeScalingActivities":
        return error("UnknownOperationException", f"The sandbox has no {action}.")
    request = json.loads(body)
    wanted = {key: request[key] for key in ("ResourceId", "ScalableDimension") if key in request}
    found = _activities.get((get_account_id(), get_region()), ())
    return answer({"ScalingActivities": [each for each in found if wanted.items() <= each.items()]})
