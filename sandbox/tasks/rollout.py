"""The deployments of a service: which one is rolled out, when it is done, and when it has failed."""

import collections
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.tasks.definition import TaskError
from sandbox.tasks.deployment import Deployment, DeploymentStatus, RolloutState
from sandbox.tasks.service_log import ServiceLog
from sandbox.tasks.shapes import Event, deployment_state_change
from sandbox.tasks.specification import ServiceSpec

_logger = logging.getLogger(__name__)

_PAST = 20  # deployments, for those who still wait for their outcome


class Rollout:
    """The deployments, and ECS's circuit breaker over them.

    Parameters
    ----------
    spec
        The service.
    log
        Gets messages about it.
    put_event
        Gets its events for EventBridge.
    document
        What `to_document` returned when the service ran before.

    Attributes
    ----------
    deployments
        The primary one first; then those that are being replaced, and the one to roll back to.
    last_completed
        The one to roll back to.
    """

    def __init__(
        self,
        spec: ServiceSpec,
        log: ServiceLog,
        put_event: Callable[[Event], None],
        document: Mapping[str, Any] | None = None,
    ) -> None:
        self._spec = spec
        self._log = log
        self._put_event = put_event
        self.deployments: list[Deployment] = []
        self.last_completed: Deployment | None = None
        self._past: collections.deque[Deployment] = collections.deque(maxlen=_PAST)
        if document is None:
            self.deploy(spec)
            return
        self.deployments = [Deployment.from_document(each) for each in document["deployments"]]
        completed = document["last_completed"]
        self.last_completed = next((each for each in self.deployments if each.id == completed), None)

    @property
    def primary(self) -> Deployment:
        """The deployment that is, or is to be, the service's."""
        return self.deployments[0]

    @property
    def may_start_tasks(self) -> bool:
        """Whether the primary deployment may start tasks, which a failed one may not."""
        return self.primary.rollout_state is not RolloutState.FAILED

    def find(self, deployment_id: str) -> Deployment | None:
        """Return a deployment by its id, also one that is over, unless it is too long ago."""
        known = (*self.deployments, *self._past)
        return next((each for each in known if each.id == deployment_id), None)

    def deploy(self, spec: ServiceSpec) -> Deployment:
        """Begin a new deployment."""
        before = self.last_completed.target_group if self.last_completed else None
        deployment = Deployment(task_definition=spec.task_definition, target_group=spec.next_group(before))
        self._begin(deployment, f"ECS deployment {deployment.id} in progress.")
        return deployment

    def complete(self) -> None:
        """Take note that the primary deployment's tasks are all healthy and the others' are gone."""
        primary = self.primary
        primary.enter(RolloutState.COMPLETED, f"ECS deployment {primary.id} completed.")
        for other in self.deployments[1:]:
            other.status = DeploymentStatus.INACTIVE
        self._past.extend(self.deployments[1:])
        self.deployments = [primary]
        self.last_completed = primary
        self._log.add(f"(deployment {primary.id}) deployment completed.")
        self._announce("SERVICE_DEPLOYMENT_COMPLETED", primary)

    def task_is_healthy(self, deployment_id: str, spec: ServiceSpec) -> None:
        """Take note of a task that became healthy."""
        if deployment_id == self.primary.id and spec.circuit_breaker.reset_on_healthy_task:
            self.primary.failed_tasks = 0

    def task_failed(self, deployment_id: str, spec: ServiceSpec) -> None:
        """Take note of a task that failed; too many of them fail the deployment."""
        primary, breaker = self.primary, spec.circuit_breaker
        if deployment_id != primary.id or not primary.in_progress:
            return
        primary.failed_tasks += 1
        # A deployment that completed before is what there is to go back to: it is tried without end.
        if not breaker.enable or primary is self.last_completed:
            return
        if primary.failed_tasks >= breaker.threshold(spec.desired_count):
            self._fail(primary, "ECS deployment circuit breaker: tasks failed to start.")
            if breaker.rollback and self.last_completed is not None:
                self._roll_back(self.last_completed)

    def stop(self) -> None:
        """Roll back the primary deployment, which is in progress.

        Raises
        ------
        TaskError
            When it is not, or no other was completed before it.
        """
        completed = self.last_completed
        if not self.primary.in_progress or completed is None or completed is self.primary:
            raise TaskError(f"the service {self._spec.name} has no deployment that can be rolled back")
        self._fail(self.primary, "ECS service deployment: stopped.")
        self._roll_back(completed)

    def alarm(self, name: str) -> bool:
        """Roll back the primary deployment because of an alarm; return whether there is one to go back to."""
        completed = self.last_completed
        if completed is None or completed is self.primary:
            return False
        self._fail(self.primary, f"ECS deployment alarm: {name} is in ALARM.")
        self._roll_back(completed)
        return True

    def to_document(self) -> dict[str, Any]:
        """Return the deployments as JSON takes them."""
        return {
            "deployments": [each.to_document() for each in self.deployments],
            "last_completed": self.last_completed.id if self.last_completed else None,
        }

    def _fail(self, deployment: Deployment, reason: str) -> None:
        deployment.enter(RolloutState.FAILED, reason)
        self._log.add(f"(deployment {deployment.id}) deployment failed: {reason.partition(': ')[2]}")
        self._announce("SERVICE_DEPLOYMENT_FAILED", deployment)

    def _roll_back(self, deployment: Deployment) -> None:
        deployment.failed_tasks = 0
        self._log.add(f"rolling back to deployment {deployment.id}.")
        self._begin(
            deployment, f"ECS deployment circuit breaker: rolling back to deploymentId {deployment.id}."
        )

    def _begin(self, deployment: Deployment, reason: str) -> None:
        others: Sequence[Deployment] = [each for each in self.deployments if each is not deployment]
        for other in others:
            other.status = DeploymentStatus.ACTIVE
        deployment.status = DeploymentStatus.PRIMARY
        deployment.enter(RolloutState.IN_PROGRESS, reason)
        self.deployments = [deployment, *others]
        self._announce("SERVICE_DEPLOYMENT_IN_PROGRESS", deployment)

    def _announce(self, name: str, deployment: Deployment) -> None:
        _logger.info("%s: %s %s", self._spec.name, name, deployment.rollout_reason)
        self._put_event(
            deployment_state_change(
                cluster_arn=self._spec.cluster_arn,
                service_arn=self._spec.arn,
                deployment_id=deployment.id,
                name=name,
                reason=deployment.rollout_reason,
            )
        )
