"""A look at an environment, in which several parts share what they read."""

from datetime import UTC, datetime
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING

from ops.aws import Environment
from ops.console import CliError
from stacks.settings import Settings

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import ServiceTypeDef


class Look:
    """One look at an environment; threads may share it.

    Parameters
    ----------
    environment
        The environment.

    Attributes
    ----------
    now
        When the look began, in UTC.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.now = datetime.now(UTC)
        self._lock = RLock()
        self._outputs: dict[str, dict[str, str]] = {}

    @property
    def settings(self) -> Settings:
        """Those of the environment."""
        return self.environment.settings

    def outputs(self, layer: str) -> dict[str, str]:
        """Return the outputs of a layer's stack.

        Raises
        ------
        NotDeployedError
            When the stack is not deployed.
        """
        with self._lock:
            if layer not in self._outputs:
                self._outputs[layer] = self.environment.outputs(layer)
            return self._outputs[layer]

    @property
    def service(self) -> "ServiceTypeDef":
        """The service as ECS describes it.

        Raises
        ------
        CliError
            When there is none.
        """
        with self._lock:
            return self._service

    @cached_property
    def _service(self) -> "ServiceTypeDef":
        outputs = self.outputs("compute")
        cluster, name = outputs["ClusterName"], outputs["ServiceName"]
        services = self.environment.ecs.describe_services(cluster=cluster, services=[name])["services"]
        # ECS describes a service that was deleted for a while: "DescribeServices" (Amazon ECS API Reference).
        active = [each for each in services if each.get("status") != "INACTIVE" and each["deployments"]]
        if not active:
            raise CliError(f"ECS has no active service {name} in the cluster {cluster}.")
        return active[0]
