"""What the plug-in's modules share."""

import dataclasses

from sandbox.layout import Layout
from sandbox.load_balancer.control import LoadBalancerControl
from sandbox.plugin.backing_servers import BackingServers
from sandbox.plugin.persistence import StateKeeper
from sandbox.ports import Ports
from sandbox.tls import Authority


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """The sandbox that this control plane belongs to.

    Attributes
    ----------
    layout
        Its files.
    ports
        Its ports.
    authority
        Signs the certificates of its servers.
    load_balancer
        Its load balancer and TLS proxies.
    backing_servers
        Runs its database and cache servers.
    keeper
        Writes the state of the emulated services.
    """

    layout: Layout
    ports: Ports
    authority: Authority
    load_balancer: LoadBalancerControl
    backing_servers: BackingServers
    keeper: StateKeeper
