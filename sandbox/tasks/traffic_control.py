"""The traffic of one service while its deployments move it, and the alarms that return it."""

import asyncio
import logging

from sandbox.load_balancer.control import LoadBalancerError
from sandbox.tasks.deployment import Deployment
from sandbox.tasks.host import Host
from sandbox.tasks.specification import ServiceSpec
from sandbox.tasks.traffic import Stage, TrafficShift

_logger = logging.getLogger(__name__)

_SHORTEST_SECONDS, _ALARM_SECONDS = 0.01, 0.5


class TrafficControl:
    """Moves the traffic of a service to the target group of its primary deployment.

    Parameters
    ----------
    host
        Has the load balancer and the alarms.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._alarms_before: frozenset[str] = frozenset()
        self._shift = TrafficShift((), minute=host.timings.minute)

    @property
    def stage(self) -> Stage:
        """Where the primary deployment is."""
        return self._shift.stage

    @property
    def is_over(self) -> bool:
        """Whether the tasks of the deployment before may go."""
        return self.stage is Stage.CLEAN_UP

    def begin(self, spec: ServiceSpec, primary: Deployment, *, shifts: bool) -> None:
        """Leave the traffic where it is until the deployment's tasks are healthy, or move it all."""
        # An alarm that is in ALARM already says nothing about the deployment ("How CloudWatch alarms detect
        # Amazon ECS deployment failures" in the ECS developer guide).
        self._alarms_before = self._in_alarm(spec)
        self._shift = TrafficShift(spec.steps if shifts else (), minute=self._host.timings.minute)
        if self.is_over:
            self._set_weights(spec, primary)

    def move(self, spec: ServiceSpec, primary: Deployment, *, ready: int) -> bool:
        """Take the next step, if one is due and enough tasks are healthy; return whether it was."""
        if ready < spec.desired_count or not self._shift.advance(asyncio.get_running_loop().time()):
            return False
        self._set_weights(spec, primary)
        return True

    def due(self) -> float | None:
        """Return in how many seconds alarms or the next step are to be looked at again."""
        due = self._shift.due(asyncio.get_running_loop().time())
        return None if due is None else max(_SHORTEST_SECONDS, min(due, _ALARM_SECONDS))

    def alarms(self, spec: ServiceSpec) -> frozenset[str]:
        """Return the alarms that have entered ALARM since the deployment began."""
        return self._in_alarm(spec) - self._alarms_before

    def _in_alarm(self, spec: ServiceSpec) -> frozenset[str]:
        return self._host.aws.alarms(spec.arn, spec.alarms) if spec.alarms else frozenset()

    def _set_weights(self, spec: ServiceSpec, primary: Deployment) -> None:
        first, second = spec.target_group, spec.alternate
        if first is None or second is None:
            return
        group, new = spec.group(primary.target_group), self._shift.percent
        try:
            # In this thread: what follows, such as that tasks are drained, relies on it.
            self._host.load_balancer.move(
                {each.arn: new if each is group else 100 - new for each in (first, second)}
            )
        except LoadBalancerError:
            _logger.exception("the load balancer has not confirmed that the traffic moves")
