"""What Application Auto Scaling did with the number of tasks."""

from collections.abc import Iterator
from datetime import datetime

from ops.events.event import Event, Kind
from ops.status.look import Look


def read(look: Look, start: datetime) -> Iterator[Event]:
    """Yield each activity with its cause; AWS keeps those of six weeks."""
    outputs = look.outputs("compute")
    service = f"service/{outputs['ClusterName']}/{outputs['ServiceName']}"
    pages = (
        look.environment.client("application-autoscaling")
        .get_paginator("describe_scaling_activities")
        .paginate(ServiceNamespace="ecs", ResourceId=service)
    )
    for page in pages:
        for each in page["ScalingActivities"]:
            if each["StartTime"] < start:  # the newest come first
                return
            yield Event(
                time=each["StartTime"],
                kind=Kind.SCALING,
                subject=outputs["ServiceName"],
                text=f"{each['Description'].rstrip('.')}: {each['Cause'].rstrip('.')} ({each['StatusCode']})",
            )
