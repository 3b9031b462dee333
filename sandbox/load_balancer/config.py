"""What the load balancer serves: a small file that the control plane writes and keeps."""

import dataclasses
import enum
import json
from pathlib import Path
from typing import Any, Self

from sandbox.files import write_atomically


class TargetState(enum.StrEnum):
    """State of a target, in the words of Elastic Load Balancing's target health."""

    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """A process that answers requests."""

    port: int
    host: str = "127.0.0.1"
    state: TargetState = TargetState.INITIAL

    @property
    def address(self) -> str:
        """Host and port, the key under which everything about the target is found."""
        return f"{self.host}:{self.port}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listener:
    """A port of a load balancer and the target groups that it forwards to, by weight.

    Attributes
    ----------
    port
        Port on 127.0.0.1.
    forward
        Weight of each target group's ARN, 0 to 999 as in a listener's default action.
    idle_timeout
        Seconds that a target may keep silent before the client gets 504.
    secure
        Whether it speaks HTTPS, with the certificate of the sandbox.
    blocking_rules
        Names of AWS WAF's managed rules by which it refuses requests.
    """

    port: int
    forward: dict[str, int]
    idle_timeout: float = 60
    secure: bool = False
    blocking_rules: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class TlsProxy:
    """A port that ends TLS and passes the plain bytes on to a server without TLS of its own."""

    port: int
    upstream_port: int


@dataclasses.dataclass(kw_only=True)
class LoadBalancerConfig:
    """Everything that the load balancer serves.

    Attributes
    ----------
    version
        Grows with every change, so that the load balancer can say which one it obeys.
    listeners, tls_proxies
        By port.
    target_groups
        Targets of each target group's ARN, by address.
    weights
        Of target groups between which a service's deployments move the traffic, instead of their listener's.
    """

    version: int = 0
    listeners: dict[int, Listener] = dataclasses.field(default_factory=dict)
    tls_proxies: dict[int, TlsProxy] = dataclasses.field(default_factory=dict)
    target_groups: dict[str, dict[str, Target]] = dataclasses.field(default_factory=dict)
    weights: dict[str, int] = dataclasses.field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file; a load balancer without one serves nothing."""
        if not path.exists():
            return cls()
        document = json.loads(path.read_text())
        # Sandboxes of before Traefik named the files of the certificate with each port.
        listeners = [
            Listener(
                **{"secure": bool(files.get("certificate")), **each}
                | {"blocking_rules": tuple(each.get("blocking_rules", ()))}
            )
            for each, files in map(_without_files, document["listeners"])
        ]
        tls_proxies = [TlsProxy(**each) for each, _ in map(_without_files, document["tls_proxies"])]
        groups = {
            arn: [Target(**{**each, "state": TargetState(each["state"])}) for each in targets]
            for arn, targets in document["target_groups"].items()
        }
        return cls(
            version=document["version"],
            weights=document.get("weights", {}),
            listeners={each.port: each for each in listeners},
            tls_proxies={each.port: each for each in tls_proxies},
            target_groups={arn: {each.address: each for each in group} for arn, group in groups.items()},
        )

    def save(self, path: Path) -> None:
        """Replace the file."""
        document: dict[str, Any] = {
            "version": self.version,
            "weights": self.weights,
            "listeners": [dataclasses.asdict(each) for each in self.listeners.values()],
            "tls_proxies": [dataclasses.asdict(each) for each in self.tls_proxies.values()],
            "target_groups": {
                arn: [dataclasses.asdict(each) for each in targets.values()]
                for arn, targets in self.target_groups.items()
            },
        }
        write_atomically(path, json.dumps(document, indent=1))

    def shares(self, listener: Listener) -> dict[str, int]:
        """Return the weight of each target group that a listener forwards to."""
        moved = {group: self.weights.get(group, 0) for group in listener.forward}
        return moved if any(moved.values()) else listener.forward

    def serving(self, target_group: str) -> list[Target]:
        """Return the targets of a group that get requests.

        As AWS does: when every target fails its health check, requests go to all of them.
        """
        targets = self.target_groups.get(target_group, {}).values()
        healthy = [each for each in targets if each.state is TargetState.HEALTHY]
        return healthy or [each for each in targets if each.state is TargetState.UNHEALTHY]


def _without_files(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    names = ("certificate", "private_key")
    return (
        {name: value for name, value in document.items() if name not in names},
        {name: value for name, value in document.items() if name in names},
    )
