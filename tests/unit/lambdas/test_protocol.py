"""The four steps, each of which may be repeated, come late, or find what it did not expect."""

import json

import pytest

from rotation.strategy import LogInRefusedError, NotRetiredError, RotationError, UnusableVersionError
from tests.aws.rigs import SESSION_LIFETIME, SigningKeyRig
from tests.aws.secrets_manager import STEPS
from tests.aws.transport import Crash, crash


def calls(rig: SigningKeyRig, operation: str) -> int:
    return sum(called == operation for called, _ in rig.aws.calls)


def test_rotation_moves_the_labels_and_replaces_the_tasks(rig: SigningKeyRig) -> None:
    first = rig.secret.holder("AWSCURRENT")
    token = rig.rotate()
    assert rig.secret.holder("AWSCURRENT") == token
    assert rig.secret.holder("AWSPREVIOUS") == first
    assert rig.secret.holder("AWSPENDING") is None
    assert calls(rig, "UpdateService") == 1


@pytest.mark.parametrize("times", [2, 3])
def test_every_step_may_be_repeated(rig: SigningKeyRig, times: int) -> None:
    token = rig.secret.begin_rotation()
    for step in STEPS:
        for _ in range(times):
            rig.run(step, token)
    assert rig.secret.holder("AWSCURRENT") == token
    assert calls(rig, "PutSecretValue") == 1
    assert calls(rig, "UpdateService") == 1
    for step in STEPS:
        rig.run(step, token)  # once more, when it is long done
    assert calls(rig, "PutSecretValue") == 1


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("at", range(1, 20))
def test_step_that_ended_anywhere_can_be_run_again(rig: SigningKeyRig, step: str, at: int) -> None:
    token = rig.secret.begin_rotation()
    for each in STEPS:
        if each == step:
            rig.interruptions.arm(at, crash)
            try:
                rig.run(each, token)
            except Crash:
                pass
            finally:
                rig.interruptions.disarm()
        rig.run(each, token)
    assert rig.secret.holder("AWSCURRENT") == token
    assert calls(rig, "UpdateService") == 1


def test_unknown_step_is_refused(rig: SigningKeyRig) -> None:
    with pytest.raises(RotationError, match="unknown step 'dropSecret'; there are createSecret, setSecret"):
        rig.run("dropSecret", rig.secret.begin_rotation())


def test_version_that_is_not_pending_is_refused(rig: SigningKeyRig) -> None:
    token = rig.secret.begin_rotation()
    rig.secret.detach("AWSPENDING")
    for step in STEPS:
        with pytest.raises(RotationError, match="is neither pending nor current"):
            rig.run(step, token)


def test_version_without_a_value_is_never_made_current(rig: SigningKeyRig) -> None:
    token = rig.secret.begin_rotation()
    for step in ("setSecret", "finishSecret"):
        with pytest.raises(RotationError, match="createSecret has not run"):
            rig.run(step, token)


@pytest.mark.parametrize("value", [None, "current"])
def test_new_schedule_is_tested_with_a_version_that_no_other_step_has_seen(
    rig: SigningKeyRig, value: str | None
) -> None:
    token = rig.secret.begin_rotation()
    if value:
        rig.secret.put(token, json.dumps(rig.secret.document("AWSCURRENT")), "AWSPENDING")
    rig.run("testSecret", token)


def test_version_by_somebody_else_is_set_aside_and_the_next_rotation_works(rig: SigningKeyRig) -> None:
    token = rig.secret.begin_rotation()
    rig.secret.put(token, json.dumps({"current": 64 * "x"}), "AWSPENDING")
    rig.run("createSecret", token)
    with pytest.raises(UnusableVersionError, match="does not keep the current key"):
        rig.run("setSecret", token)
    assert rig.secret.holder("AWSPENDING") is None
    assert rig.rotate() != token


def test_malformed_version_does_not_pass_the_test(rig: SigningKeyRig) -> None:
    token = rig.secret.begin_rotation()
    rig.secret.put(token, json.dumps({"current": "short"}), "AWSPENDING")
    with pytest.raises(LogInRefusedError, match="not a ring of keys of at least 32 characters"):
        rig.run("testSecret", token)


def test_rotation_waits_for_the_retirement_before_it_and_leaves_nothing_behind(rig: SigningKeyRig) -> None:
    rig.rotate()
    with pytest.raises(NotRetiredError, match="still vouches for sessions; it is retired 7 days"):
        rig.rotate()
    assert rig.secret.holder("AWSPENDING") is None
    rig.come_to_rest()
    rig.rotate()


def test_version_by_somebody_else_cannot_finish_before_that_retirement_either(rig: SigningKeyRig) -> None:
    rig.rotate()
    current, token = rig.secret.holder("AWSCURRENT"), rig.secret.begin_rotation()
    rig.secret.put(token, json.dumps(rig.successor()), "AWSPENDING")
    with pytest.raises(NotRetiredError, match="still vouches for sessions"):
        rig.run("finishSecret", token)
    assert (rig.secret.holder("AWSCURRENT"), rig.secret.holder("AWSPENDING")) == (current, None)


def test_sessions_of_all_tasks_are_honoured_by_all_while_keys_change(rig: SigningKeyRig) -> None:
    before = rig.secret.document("AWSCURRENT")
    rig.rotate()
    assert before is not None
    rig.ecs.advance_deployment()
    assert rig.verifies(before["current"])
    rig.ecs.complete_deployment()
    rig.reconcile()
    assert rig.verifies(before["current"])
    rig.clock.sleep(SESSION_LIFETIME.total_seconds() - 3600)
    rig.reconcile()
    assert rig.verifies(before["current"])
    rig.come_to_rest()
    assert not rig.verifies(before["current"])


def test_crash_before_the_deployment_is_made_up_for_by_the_reconciler(rig: SigningKeyRig) -> None:
    token = rig.secret.begin_rotation()
    for step in STEPS[:3]:
        rig.run(step, token)
    rig.interruptions.arm(9, crash)
    with pytest.raises(Crash):
        rig.run("finishSecret", token)
    assert rig.secret.holder("AWSCURRENT") == token
    assert calls(rig, "UpdateService") == 0
    rig.reconcile()
    assert calls(rig, "UpdateService") == 1
