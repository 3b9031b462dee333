"""A task's place in a target group."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from sandbox.load_balancer.config import Target, TargetState
from sandbox.load_balancer.control import LoadBalancerControl, LoadBalancerError

_logger = logging.getLogger(__name__)

_Parameters = ParamSpec("_Parameters")
_ResultT = TypeVar("_ResultT")
_POLL_INTERVAL = 0.05  # seconds, only while a target drains


class Registration:
    """Registers one task as a target, and takes it out without breaking a request.

    The load balancer has acknowledged every step when it returns. A task that is being taken out stays so,
    whatever its health check says.
    """

    def __init__(
        self, load_balancer: LoadBalancerControl, target_group: str, *, port: int, deregistration_delay: float
    ) -> None:
        self._load_balancer = load_balancer
        self._group = target_group
        self._target = Target(port=port)
        self._delay = deregistration_delay
        self._order = asyncio.Lock()

    async def set_state(self, state: TargetState) -> None:
        """Register the target, or change its state."""
        # A caller that is cancelled must not let the next step overtake this one.
        await asyncio.shield(asyncio.create_task(self._set_state(state)))

    async def drain(self) -> None:
        """Let it have no new requests, and wait for those in flight, but no longer than the delay.

        Elastic Load Balancing does not wait either when a target has no connection left.
        """
        await self.set_state(TargetState.DRAINING)
        deadline = asyncio.get_running_loop().time() + self._delay
        while asyncio.get_running_loop().time() < deadline:
            if not await _order(self._load_balancer.connections, self._target):
                return
            await asyncio.sleep(_POLL_INTERVAL)

    async def remove(self) -> None:
        """Deregister the target."""
        async with self._order:
            self._target = dataclasses.replace(self._target, state=TargetState.DRAINING)
            await _order(self._load_balancer.remove_target, self._group, self._target.address)

    async def _set_state(self, state: TargetState) -> None:
        async with self._order:
            if self._target.state is not TargetState.DRAINING:
                self._target = dataclasses.replace(self._target, state=state)
                await _order(self._load_balancer.put_target, self._group, self._target)


async def _order(
    function: Callable[_Parameters, _ResultT], *args: _Parameters.args, **kwargs: _Parameters.kwargs
) -> _ResultT | None:
    """Call a function of the load balancer's control off the event loop.

    A load balancer that hangs has the change in its file, and obeys at its next start; tasks go on meanwhile.
    """
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    except LoadBalancerError:
        _logger.exception("the load balancer has not confirmed a change of a target")
        return None
