"""When the tasks of a service are replaced, and when that counts as done."""

from datetime import datetime, timedelta
from unittest import mock

import pytest

from rotation.service import Progress, Replacement, Service
from rotation.strategy import RotationError
from tests.aws.ecs import CLUSTER, SERVICE, Ecs
from tests.aws.transport import Answer, Aws, Interruptions, SimulatedClock


class Harness:
    def __init__(self, service: str = SERVICE) -> None:
        self.clock = SimulatedClock()
        self.ecs = Ecs({}, self.clock)
        self.clock.sleep(60)
        self.aws = Aws({"ecs": self.ecs}, clock=self.clock, interruptions=Interruptions())
        self.service = Service(self.aws.client("ecs"), cluster=CLUSTER, service=service, clock=self.clock)

    @property
    def deployments(self) -> int:
        return sum(operation == "UpdateService" for operation, _ in self.aws.calls)

    def replace(self, since: datetime) -> Replacement:
        return self.service.replace_tasks(since).replacement


@pytest.fixture
def harness() -> Harness:
    return Harness()


def test_tasks_of_before_are_replaced_by_a_deployment(harness: Harness) -> None:
    since = harness.clock.now()
    assert harness.service.replace_tasks(since) == Progress(replacement=Replacement.REQUESTED, tasks=2)
    assert harness.replace(since) is Replacement.IN_PROGRESS
    harness.ecs.complete_deployment()
    assert harness.service.replace_tasks(since) == Progress(replacement=Replacement.DONE, tasks=0)
    assert harness.deployments == 1


def test_tasks_of_afterwards_are_left_alone(harness: Harness) -> None:
    since = harness.clock.now() - timedelta(days=1)
    assert harness.replace(since) is Replacement.DONE
    assert harness.deployments == 0


@pytest.mark.parametrize("status", ["PENDING", "DEACTIVATING", "STOPPING", "DEPROVISIONING"])
def test_task_counts_from_its_creation_until_it_has_stopped(harness: Harness, status: str) -> None:
    since = harness.clock.now()
    harness.replace(since)
    old = harness.ecs.tasks[0]
    harness.ecs.complete_deployment()
    old.status = status
    assert harness.replace(since) is not Replacement.DONE
    old.status = "STOPPED"
    assert harness.replace(since) is Replacement.DONE


def test_deployment_in_progress_is_not_disturbed(harness: Harness) -> None:
    harness.ecs.update_service(CLUSTER, SERVICE, force_new_deployment=True)
    harness.ecs.advance_deployment()
    since = harness.clock.now()
    assert harness.replace(since) is Replacement.IN_PROGRESS
    harness.ecs.complete_deployment()
    assert harness.replace(since) is Replacement.REQUESTED  # its first task was older than that
    harness.ecs.complete_deployment()
    assert harness.replace(since) is Replacement.DONE


def test_deployment_that_was_rolled_back_is_tried_again_after_a_while(harness: Harness) -> None:
    since = harness.clock.now()
    harness.replace(since)
    harness.ecs.fail_deployment()
    assert harness.replace(since) is Replacement.POSTPONED
    harness.clock.sleep(31 * 60)
    assert harness.replace(since) is Replacement.REQUESTED
    assert harness.deployments == 2


def test_deployment_whose_tasks_took_long_to_fail_is_not_tried_again_at_once(harness: Harness) -> None:
    since = harness.clock.now()
    harness.replace(since)
    harness.ecs.start_task()
    harness.clock.sleep(45 * 60)
    harness.ecs.tasks[-1].status = "STOPPED"
    harness.ecs.deployments[0].state = "FAILED"
    assert harness.replace(since) is Replacement.POSTPONED
    harness.clock.sleep(31 * 60)
    assert harness.replace(since) is Replacement.REQUESTED


def test_deployment_that_failed_and_was_not_rolled_back_is_a_failed_attempt(harness: Harness) -> None:
    since = harness.clock.now()
    harness.replace(since)
    harness.ecs.start_task().status = "STOPPED"
    harness.ecs.deployments[0].state = "FAILED"
    assert harness.replace(since) is Replacement.POSTPONED


def test_new_task_that_failed_in_a_deployment_that_succeeded_is_no_failed_attempt(harness: Harness) -> None:
    harness.ecs.update_service(CLUSTER, SERVICE, force_new_deployment=True)
    harness.ecs.advance_deployment()
    since = harness.clock.now()
    harness.clock.sleep(60)
    unhealthy = harness.ecs.start_task()
    harness.ecs.complete_deployment()
    unhealthy.status = "STOPPED"
    harness.ecs.complete_deployment()
    assert harness.replace(since) is Replacement.REQUESTED  # for its first task


def test_task_that_could_not_be_placed_is_a_failed_attempt(harness: Harness) -> None:
    since = harness.clock.now()
    harness.replace(since)
    harness.ecs.fail_deployment()
    harness.ecs.tasks[-1].created = None
    assert harness.replace(since) is Replacement.POSTPONED


def test_task_that_is_not_yet_placed_is_waited_for(harness: Harness) -> None:
    harness.ecs.start_task().created = None
    assert harness.replace(harness.clock.now() - timedelta(days=1)) is not Replacement.DONE


def test_task_next_to_the_service_is_waited_for_and_no_reason_to_deploy(harness: Harness) -> None:
    errand = harness.ecs.start_task("family:errand")
    since = harness.clock.now()
    harness.replace(since)
    harness.ecs.complete_deployment()
    assert harness.replace(since) is Replacement.RUNNING_NEXT_TO
    errand.status = "STOPPED"
    assert harness.replace(since) is Replacement.DONE
    assert harness.deployments == 1


def test_new_tasks_are_not_taken_for_old_ones_because_clocks_differ(harness: Harness) -> None:
    since = harness.clock.now()
    harness.replace(since)
    assert harness.clock.now() - since >= timedelta(seconds=2)


@pytest.mark.parametrize("other", ["group of another", "stopping"])
def test_old_task_that_ecs_does_not_list_yet_is_waited_for(harness: Harness, other: str) -> None:
    """Whatever else runs in the cluster, or stops: the service's own count is compared with its own tasks."""
    since = harness.clock.now()
    harness.ecs.tasks[0].created = since + timedelta(hours=1)
    for _ in range(2):
        task = harness.ecs.start_task(*(["family:other"] if other == "group of another" else []))
        task.created = since + timedelta(hours=1)
        task.status = "STOPPING" if other == "stopping" else "RUNNING"
    listed = harness.ecs.list_tasks
    hidden = harness.ecs.tasks[1].arn

    def list_stale(**asked: str) -> Answer:
        answer = listed(**asked)
        return answer | {"taskArns": [arn for arn in answer["taskArns"] if arn != hidden]}

    with mock.patch.object(harness.ecs, "list_tasks", list_stale):
        assert harness.replace(since) is Replacement.IN_PROGRESS
    assert harness.replace(since) is Replacement.REQUESTED


def test_task_that_is_listed_and_not_described_counts_as_running(harness: Harness) -> None:
    since = harness.clock.now()
    harness.replace(since)
    old = harness.ecs.tasks[0]
    harness.ecs.complete_deployment()
    listed = harness.ecs.list_tasks

    def list_more(**asked: str) -> Answer:
        answer = listed(**asked)
        return answer | {"taskArns": [*answer["taskArns"], f"{old.arn}-unknown"]}

    with mock.patch.object(harness.ecs, "list_tasks", list_more):
        assert harness.service.replace_tasks(since) == Progress(replacement=Replacement.IN_PROGRESS, tasks=1)
    assert harness.replace(since) is Replacement.DONE


def test_missing_service_is_named() -> None:
    harness = Harness("other")
    with pytest.raises(RotationError, match="there is no service other in the cluster gantry"):
        harness.replace(harness.clock.now())


def test_more_tasks_than_can_be_described_at_once(harness: Harness) -> None:
    harness.ecs.desired = 120
    harness.ecs.complete_deployment()
    assert harness.service.replace_tasks(harness.clock.now()).tasks == 120
