"""Which target gets a request."""

import asyncio
import collections
import random
from collections.abc import Collection, Mapping

from sandbox.load_balancer.config import Listener, LoadBalancerConfig, Target, TargetState
from sandbox.load_balancer.upstream import Upstream

_IDLE_CONNECTIONS = 64  # kept for each target
_SUSPENSION = 1.0  # seconds in which a target that did not answer is the last choice


class Backend:
    """A target as the load balancer sees it.

    Attributes
    ----------
    in_flight
        Requests that were given to it and are not answered yet.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.in_flight = 0
        self.last_used = 0
        self._suspended_until = 0.0
        self._idle: collections.deque[Upstream] = collections.deque()

    @property
    def is_suspended(self) -> bool:
        """Whether it failed to answer a moment ago."""
        return asyncio.get_running_loop().time() < self._suspended_until

    def suspend(self) -> None:
        """Prefer others for a moment, until its health check has spoken."""
        self._suspended_until = asyncio.get_running_loop().time() + _SUSPENSION
        self.close_idle()

    async def connection(self, *, reuse: bool) -> Upstream:
        """Return a connection: an idle one if that will do and there is one, else a new one.

        Raises
        ------
        UpstreamError
            When a new one cannot be made.
        """
        while reuse and self._idle:
            # The one used last is the least likely to have been closed for idleness meanwhile.
            upstream = self._idle.pop()
            if upstream.reusable:
                return upstream
            upstream.close()
        return await Upstream.connect(self.target.host, self.target.port)

    def release(self, upstream: Upstream) -> None:
        """Take back a connection for the next request, or close it."""
        draining = self.target.state is TargetState.DRAINING
        if draining or not upstream.reusable or len(self._idle) >= _IDLE_CONNECTIONS:
            upstream.close()
            return
        upstream.used = True
        self._idle.append(upstream)

    def close_idle(self) -> None:
        """Close all idle connections."""
        while self._idle:
            self._idle.pop().close()


class Balancer:
    """The targets of all target groups, and the choice among them.

    The one with the fewest requests in flight is taken; among equals, the one that was used least recently.
    """

    def __init__(self) -> None:
        self._listeners: dict[int, Listener] = {}
        self._groups: dict[str, dict[str, Backend]] = {}
        self._turn = 0

    def apply(self, config: LoadBalancerConfig) -> None:
        """Obey a configuration: from the return on, no draining or removed target gets a request."""
        groups = {
            arn: {address: self._backend(arn, target) for address, target in targets.items()}
            for arn, targets in config.target_groups.items()
        }
        for arn, backends in self._groups.items():
            for address, backend in backends.items():
                if address not in groups.get(arn, {}):
                    backend.target = Target(
                        host=backend.target.host, port=backend.target.port, state=TargetState.DRAINING
                    )
        for backends in (*self._groups.values(), *groups.values()):
            for backend in backends.values():
                if backend.target.state is TargetState.DRAINING:
                    backend.close_idle()
        self._groups = groups
        self._listeners = config.listeners

    def listener(self, port: int) -> Listener | None:
        """Return the listener of that port as it is now."""
        return self._listeners.get(port)

    def pick(self, listener: Listener, *, tried: Collection[Backend]) -> Backend | None:
        """Return the target for a request, or None when there is none that was not tried."""
        backends = self._groups.get(_draw(listener.forward) or "", {}).values()
        usable = [each for each in backends if each.target.state is TargetState.HEALTHY]
        # As AWS does: when every target fails its health check, requests go to all of them.
        usable = usable or [each for each in backends if each.target.state is TargetState.UNHEALTHY]
        candidates = [each for each in usable if each not in tried]
        if not candidates:
            return None
        chosen = min(candidates, key=lambda each: (each.is_suspended, each.in_flight, each.last_used))
        self._turn += 1
        chosen.last_used = self._turn
        return chosen

    def in_flight(self) -> dict[str, int]:
        """Return the number of requests in flight by the target's address."""
        return {
            address: backend.in_flight
            for backends in self._groups.values()
            for address, backend in backends.items()
        }

    def _backend(self, arn: str, target: Target) -> Backend:
        backend = self._groups.get(arn, {}).get(target.address)
        if backend is None:
            return Backend(target)
        backend.target = target
        return backend


def _draw(weights: Mapping[str, int]) -> str | None:
    if len(weights) == 1:
        return next(iter(weights))
    arns = [arn for arn, weight in weights.items() if weight > 0]
    if not arns:
        return None
    return random.choices(arns, [weights[arn] for arn in arns])[0]  # noqa: S311 - spreads load, guards nothing
