"""Earlier credentials are retired when no task can use them any more, and not before."""

import pytest

from rotation.service import Replacement
from tests.aws.rigs import SigningKeyRig, check_retirement_interrupted


def test_settled_secret_costs_one_call(rig: SigningKeyRig) -> None:
    rig.come_to_rest()
    rig.aws.calls.clear()
    rig.reconcile()
    assert [operation for operation, _ in rig.aws.calls] == ["DescribeSecret"]


def test_report_tells_how_the_secret_stands(rig: SigningKeyRig) -> None:
    token = rig.rotate()
    report = rig.reconcile()
    assert (report.name, report.current, report.pending) == ("signing-key", token, None)
    assert (report.replacement, report.tasks, report.settled) == (Replacement.IN_PROGRESS, 2, False)
    assert report.previous is not None
    assert rig.come_to_rest().settled


def test_rotation_taken_back_by_hand_is_followed(rig: SigningKeyRig) -> None:
    rig.rotate()
    rig.come_to_rest()
    rig.rotate()
    rig.ecs.complete_deployment()
    previous = rig.secret.holder("AWSPREVIOUS")
    assert previous is not None
    rig.secret.attach("AWSCURRENT", previous)
    assert rig.reconcile().replacement is Replacement.REQUESTED
    assert rig.come_to_rest().current == previous


def test_label_moved_back_and_forth_leaves_no_task_without_its_key(rig: SigningKeyRig) -> None:
    second = rig.rotate()
    rig.ecs.complete_deployment()
    first = rig.secret.holder("AWSPREVIOUS")
    assert first is not None
    rig.secret.attach("AWSCURRENT", first)
    between = rig.ecs.start_task()
    rig.secret.attach("AWSCURRENT", second)
    rig.reconcile()
    assert rig.secret.holder("AWSPREVIOUS") == first
    rig.come_to_rest()
    assert between.stopped


def test_change_of_the_secret_meanwhile_only_delays(rig: SigningKeyRig) -> None:
    rig.rotate()
    rig.ecs.complete_deployment()
    rig.secret.detach("NO-SUCH-LABEL")
    assert rig.reconcile().previous is not None
    rig.come_to_rest()


@pytest.mark.parametrize("what", ["rotate", "reconcile"])
def test_something_else_in_the_middle_of_a_retirement(rig: SigningKeyRig, what: str) -> None:
    check_retirement_interrupted(rig, getattr(rig, what))


def test_rotation_that_was_given_up_is_set_aside_after_a_day(rig: SigningKeyRig) -> None:
    token = rig.secret.begin_rotation()
    rig.run("createSecret", token)
    rig.clock.sleep(23 * 3600)
    assert rig.reconcile().pending == token
    rig.clock.sleep(2 * 3600)
    assert rig.reconcile().pending is None
