"""What checks look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import RLock

from ops import protection
from ops.assembly import Assembly, Resource
from ops.aws import Environment
from ops.leftovers import Client, Region
from ops.replacements import Template
from stacks.settings import Settings


@dataclass(frozen=True)
class _SharedRegion(Region):
    """A region whose clients threads share, and make one after the other ("Session reference" of Boto3)."""

    lock: RLock = field(default_factory=RLock, repr=False)
    made: dict[str, Client] = field(default_factory=dict, repr=False)

    def client(self, service: str) -> Client:
        with self.lock:
            if service not in self.made:
                self.made[service] = super().client(service)
            return self.made[service]


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
    _lock: RLock = field(default_factory=RLock, repr=False)
    _regions: dict[str, Region] = field(default_factory=dict, repr=False)
    _outputs: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)

    @property
    def settings(self) -> Settings:
        """The environment's settings."""
        return self.environment.settings

    def region(self, name: str | None = None) -> Region:
        """Return a region, by default the environment's own."""
        name = name or self.settings.region
        with self._lock:
            if name not in self._regions:
                where = self.environment
                self._regions[name] = _SharedRegion(name, where.session, where.endpoint_url, self._lock)
            return self._regions[name]

    def client(self, service: str, region: str | None = None) -> Client:
        """Return a client of a service in a region, by default the environment's own."""
        return self.region(region).client(service)

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


@dataclass(frozen=True, kw_only=True)
class Deployment(Context):
    """An environment that is about to be deployed.

    Attributes
    ----------
    assembly
        What would be deployed, checked by all packs of rules.
    """

    assembly: Assembly
    _templates: list[Mapping[str, Template]] = field(default_factory=list, repr=False)

    def deployed(self) -> Mapping[str, Template]:
        """Return the templates of the stacks that there are, by their names."""
        with self._lock:
            if not self._templates:
                self._templates.append(protection.deployed_templates(self.environment))
            return self._templates[0]

    def new_resources(self) -> list[tuple[str, Resource]]:
        """Return the resources that the deployment would make, each with its region."""
        deployed = self.deployed()
        return [
            (stack.region, resource)
            for stack in self.assembly.stacks
            for resource in stack.resources
            if resource.logical_id not in deployed.get(stack.name, {}).get("Resources", {})
        ]
