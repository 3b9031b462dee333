"""What the service's container has: health check, volumes, kernel options."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from contract.service import HEALTH_PATH, PORT

# After it a container is UNHEALTHY until it answers, which ECS ignores during the service's grace period:
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html (startPeriod)
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html (healthCheckGracePeriodSeconds)
_LONGEST_START_PERIOD = 300


def linux_parameters(scope: Construct) -> ecs.LinuxParameters:
    """Return an init process, which hands signals on and reaps orphans, and no capabilities."""
    parameters = ecs.LinuxParameters(scope, "Linux", init_process_enabled=True)
    parameters.drop_capabilities(ecs.Capability.ALL)
    return parameters


def mount_volumes(
    task_definition: ecs.FargateTaskDefinition, container: ecs.ContainerDefinition, paths: Sequence[str]
) -> None:
    """Give the container an empty volume at each path.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mounts.html
    """
    for index, path in enumerate(paths):
        name = f"writable-{index}"
        task_definition.add_volume(name=name)
        container.add_mount_points(ecs.MountPoint(source_volume=name, container_path=path, read_only=False))


def health_check(command: Sequence[str] | None, start_time: Duration) -> ecs.HealthCheck | None:
    """Return how ECS asks the container whether it is healthy; by default with a line of Python.

    Parameters
    ----------
    command
        What is run instead; nothing if empty.
    start_time
        Until then no failed check counts.
    """
    if command is None:
        url = f"http://127.0.0.1:{PORT}{HEALTH_PATH}"
        ask = f"import urllib.request; urllib.request.urlopen('{url}', timeout=4)"
        command = ("python", "-c", ask)
    if not command:
        return None
    return ecs.HealthCheck(
        command=["CMD", *command],
        interval=Duration.seconds(10),
        timeout=Duration.seconds(5),
        retries=3,
        start_period=Duration.seconds(min(start_time.to_seconds(), _LONGEST_START_PERIOD)),
    )
