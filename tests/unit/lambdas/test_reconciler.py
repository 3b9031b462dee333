"""Earlier credentials are retired when no task can use them any more, and not before."""

import pytest

from rotation.service import Replacement
from tests.aws.harness import SigningKeyHarness, check_retirement_interrupted


def test_reconciled_secret_costs_one_call(harness: SigningKeyHarness) -> None:
    harness.reconcile_fully()
    harness.aws.calls.clear()
    harness.reconcile()
    assert [operation for operation, _ in harness.aws.calls] == ["DescribeSecret"]


def test_report_shows_the_state_of_the_secret(harness: SigningKeyHarness) -> None:
    token = harness.rotate()
    report = harness.reconcile()
    assert (report.name, report.current, report.pending) == ("signing-key", token, None)
    assert (report.replacement, report.tasks, report.reconciled) == (Replacement.IN_PROGRESS, 2, False)
    assert report.previous is not None
    assert harness.reconcile_fully().reconciled


def test_rotation_taken_back_by_hand_is_followed(harness: SigningKeyHarness) -> None:
    harness.rotate()
    harness.reconcile_fully()
    harness.rotate()
    harness.ecs.complete_deployment()
    previous = harness.secret.holder("AWSPREVIOUS")
    assert previous is not None
    harness.secret.attach("AWSCURRENT", previous)
    assert harness.reconcile().replacement is Replacement.REQUESTED
    assert harness.reconcile_fully().current == previous


def test_label_moved_back_and_forth_leaves_no_task_without_its_key(harness: SigningKeyHarness) -> None:
    second = harness.rotate()
    harness.ecs.complete_deployment()
    first = harness.secret.holder("AWSPREVIOUS")
    assert first is not None
    harness.secret.attach("AWSCURRENT", first)
    between = harness.ecs.start_task()
    harness.secret.attach("AWSCURRENT", second)
    harness.reconcile()
    assert harness.secret.holder("AWSPREVIOUS") == first
    harness.reconcile_fully()
    assert between.stopped


def test_change_of_the_secret_meanwhile_only_delays(harness: SigningKeyHarness) -> None:
    harness.rotate()
    harness.ecs.complete_deployment()
    harness.secret.detach("NO-SUCH-LABEL")
    assert harness.reconcile().previous is not None
    harness.reconcile_fully()


@pytest.mark.parametrize("what", ["rotate", "reconcile"])
def test_something_else_in_the_middle_of_a_retirement(harness: SigningKeyHarness, what: str) -> None:
    check_retirement_interrupted(harness, getattr(harness, what))


def test_rotation_that_was_given_up_is_set_aside_after_a_day(harness: SigningKeyHarness) -> None:
    token = harness.secret.begin_rotation()
    harness.run("createSecret", token)
    harness.clock.sleep(23 * 3600)
    assert harness.reconcile().pending == token
    harness.clock.sleep(2 * 3600)
    assert harness.reconcile().pending is None
