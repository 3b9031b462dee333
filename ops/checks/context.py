"""What checks look at."""

from dataclasses import dataclass, field
from datetime import datetime
from threading import RLock

from ops.aws import Environment
from ops.leftovers import Client, Region
from stacks.settings import Settings


@dataclass(frozen=True)
class Context:
    """An environment, for checks that run side by side.

    Attributes
    ----------
    environment
        The environment.
    now
        When the checks began.
    """

    environment: Environment
    now: datetime
    # Clients may be shared by threads, but not made by several at once ("Session reference" of Boto3).
    _lock: RLock = field(default_factory=RLock, repr=False)
    _clients: dict[tuple[str, str], Client] = field(default_factory=dict, repr=False)
    _outputs: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)

    @property
    def settings(self) -> Settings:
        """The environment's settings."""
        return self.environment.settings

    def region(self, name: str | None = None) -> Region:
        """Return a region, by default the environment's own."""
        return Region(name or self.settings.region, self.environment.session, self.environment.endpoint_url)

    def client(self, service: str, region: str | None = None) -> Client:
        """Return a client of a service in a region, by default the environment's own."""
        key = (service, region or self.settings.region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self.region(region).client(service)
            return self._clients[key]

    def outputs(self, layer: str) -> dict[str, str]:
        """Return the outputs of a layer's stack.

        Raises
        ------
        CliError
            When the stack is not deployed.
        """
        with self._lock:
            if layer not in self._outputs:
                self._outputs[layer] = self.environment.outputs(layer)
            return self._outputs[layer]
