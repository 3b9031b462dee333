"""The four steps, each of which may be repeated, come late, or find what it did not expect."""

import json

import pytest

from rotation.strategy import LogInRefusedError, NotRetiredError, RotationError, UnusableVersionError
from tests.aws.harness import SESSION_LIFETIME, SigningKeyHarness
from tests.aws.secrets_manager import STEPS
from tests.aws.transport import Crash, crash


def calls(harness: SigningKeyHarness, operation: str) -> int:
    return sum(called == operation for called, _ in harness.aws.calls)


def test_rotation_moves_the_labels_and_replaces_the_tasks(harness: SigningKeyHarness) -> None:
    first = harness.secret.holder("AWSCURRENT")
    token = harness.rotate()
    assert harness.secret.holder("AWSCURRENT") == token
    assert harness.secret.holder("AWSPREVIOUS") == first
    assert harness.secret.holder("AWSPENDING") is None
    assert calls(harness, "UpdateService") == 1


@pytest.mark.parametrize("times", [2, 3])
def test_every_step_may_be_repeated(harness: SigningKeyHarness, times: int) -> None:
    token = harness.secret.begin_rotation()
    for step in STEPS:
        for _ in range(times):
            harness.run(step, token)
    assert harness.secret.holder("AWSCURRENT") == token
    assert calls(harness, "PutSecretValue") == 1
    assert calls(harness, "UpdateService") == 1
    for step in STEPS:
        harness.run(step, token)  # once more, when it is long done
    assert calls(harness, "PutSecretValue") == 1


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("at", range(1, 20))
def test_step_that_ended_anywhere_can_be_run_again(harness: SigningKeyHarness, step: str, at: int) -> None:
    token = harness.secret.begin_rotation()
    for each in STEPS:
        if each == step:
            harness.interruptions.arm(at, crash)
            try:
                harness.run(each, token)
            except Crash:
                pass
            finally:
                harness.interruptions.disarm()
        harness.run(each, token)
    assert harness.secret.holder("AWSCURRENT") == token
    assert calls(harness, "UpdateService") == 1


def test_unknown_step_is_refused(harness: SigningKeyHarness) -> None:
    with pytest.raises(RotationError, match="unknown step 'dropSecret'; there are createSecret, setSecret"):
        harness.run("dropSecret", harness.secret.begin_rotation())


def test_version_that_is_not_pending_is_refused(harness: SigningKeyHarness) -> None:
    token = harness.secret.begin_rotation()
    harness.secret.detach("AWSPENDING")
    for step in STEPS:
        with pytest.raises(RotationError, match="is neither pending nor current"):
            harness.run(step, token)


def test_version_without_a_value_is_never_made_current(harness: SigningKeyHarness) -> None:
    token = harness.secret.begin_rotation()
    for step in ("setSecret", "finishSecret"):
        with pytest.raises(RotationError, match="createSecret has not run"):
            harness.run(step, token)


@pytest.mark.parametrize("value", [None, "current"])
def test_new_schedule_is_tested_with_a_version_that_no_other_step_has_seen(
    harness: SigningKeyHarness, value: str | None
) -> None:
    token = harness.secret.begin_rotation()
    if value:
        harness.secret.put(token, json.dumps(harness.secret.document("AWSCURRENT")), "AWSPENDING")
    harness.run("testSecret", token)


def test_version_by_someone_else_is_set_aside_and_the_next_rotation_works(
    harness: SigningKeyHarness,
) -> None:
    token = harness.secret.begin_rotation()
    harness.secret.put(token, json.dumps({"current": 64 * "x"}), "AWSPENDING")
    harness.run("createSecret", token)
    with pytest.raises(UnusableVersionError, match="does not keep the current key"):
        harness.run("setSecret", token)
    assert harness.secret.holder("AWSPENDING") is None
    assert harness.rotate() != token


def test_malformed_version_does_not_pass_the_test(harness: SigningKeyHarness) -> None:
    token = harness.secret.begin_rotation()
    harness.secret.put(token, json.dumps({"current": "short"}), "AWSPENDING")
    with pytest.raises(LogInRefusedError, match="not a ring of keys of at least 32 characters"):
        harness.run("testSecret", token)


def test_rotation_waits_for_the_retirement_before_it_and_leaves_nothing_behind(
    harness: SigningKeyHarness,
) -> None:
    harness.rotate()
    with pytest.raises(NotRetiredError, match="still vouches for sessions; it is retired 7 days"):
        harness.rotate()
    assert harness.secret.holder("AWSPENDING") is None
    harness.reconcile_fully()
    harness.rotate()


def test_version_by_someone_else_cannot_finish_before_that_retirement_either(
    harness: SigningKeyHarness,
) -> None:
    harness.rotate()
    current, token = harness.secret.holder("AWSCURRENT"), harness.secret.begin_rotation()
    harness.secret.put(token, json.dumps(harness.successor()), "AWSPENDING")
    with pytest.raises(NotRetiredError, match="still vouches for sessions"):
        harness.run("finishSecret", token)
    assert (harness.secret.holder("AWSCURRENT"), harness.secret.holder("AWSPENDING")) == (current, None)


def test_sessions_of_all_tasks_are_honoured_by_all_while_keys_change(harness: SigningKeyHarness) -> None:
    before = harness.secret.document("AWSCURRENT")
    harness.rotate()
    assert before is not None
    harness.ecs.advance_deployment()
    assert harness.verifies(before["current"])
    harness.ecs.complete_deployment()
    harness.reconcile()
    assert harness.verifies(before["current"])
    harness.clock.sleep(SESSION_LIFETIME.total_seconds() - 3600)
    harness.reconcile()
    assert harness.verifies(before["current"])
    harness.reconcile_fully()
    assert not harness.verifies(before["current"])


def test_crash_before_the_deployment_is_made_up_for_by_the_reconciler(harness: SigningKeyHarness) -> None:
    token = harness.secret.begin_rotation()
    for step in STEPS[:3]:
        harness.run(step, token)
    harness.interruptions.arm(9, crash)
    with pytest.raises(Crash):
        harness.run("finishSecret", token)
    assert harness.secret.holder("AWSCURRENT") == token
    assert calls(harness, "UpdateService") == 0
    harness.reconcile()
    assert calls(harness, "UpdateService") == 1
