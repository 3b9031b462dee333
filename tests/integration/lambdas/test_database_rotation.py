"""The database's password rotates between two roles, in a real PostgreSQL."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest

from gantry_runtime.failures import describe
from rotation.strategy import LogInRefusedError, NotRetiredError, RotationError, UnusableVersionError
from sandbox.postgres import PostgresServer
from sandbox.tls import ensure_authority
from tests.aws.harness import DatabaseHarness, check_retirement_interrupted
from tests.aws.instances import READER, WRITER, log_in, two_instances
from tests.aws.secrets_manager import STEPS
from tests.aws.servers import MASTER_PASSWORD

ROLES = ("app_a", "app_b", "gantry_rotator")


@pytest.fixture
def harness(database: PostgresServer) -> Iterator[DatabaseHarness]:
    made = DatabaseHarness(database)
    yield made
    made.close()


def current(harness: DatabaseHarness) -> dict[str, Any]:
    document = harness.secret.document("AWSCURRENT")
    assert document is not None
    return document


def test_bootstrap_completes_the_secret_and_leaves_one_version(harness: DatabaseHarness) -> None:
    assert set(current(harness)) == {"engine", "host", "port", "dbname", "username", "password"}
    assert len(harness.secret.versions) == 1
    assert harness.authenticates(current(harness))


def test_restored_database_is_taken_over_by_the_secrets_of_its_new_home(harness: DatabaseHarness) -> None:
    """A backup brings the roles with the passwords of a region that is lost, and maybe the other in use."""
    lost = {role: {"username": role, "password": f"{role}-of-the-lost-region"} for role in ROLES}
    with harness.log_in("master", MASTER_PASSWORD) as master:
        for role, document in lost.items():
            master.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{document['password']}'")
    assert all(harness.authenticates(document) for document in lost.values())

    harness.bootstrap("Create")

    assert harness.authenticates(current(harness))
    harness.reconcile_fully()
    assert harness.authenticates(current(harness))
    assert not any(harness.authenticates(document) for document in lost.values())
    harness.rotate()
    assert harness.authenticates(current(harness))


def test_rotations_alternate_between_the_roles(harness: DatabaseHarness) -> None:
    users = [current(harness)["username"]]
    for _ in range(3):
        before = current(harness)
        harness.rotate()
        assert harness.authenticates(before)
        assert harness.authenticates(current(harness))
        harness.reconcile_fully()
        assert not harness.authenticates(before)
        users.append(current(harness)["username"])
    assert users == ["app_a", "app_b", "app_a", "app_b"]


def test_rotation_right_after_the_first_deployment(harness: DatabaseHarness) -> None:
    harness.rotate()
    assert harness.authenticates(current(harness))
    for task in harness.ecs.live_tasks:
        assert harness.authenticates(task.read["secret"])


def test_role_that_tasks_may_use_is_not_touched(harness: DatabaseHarness) -> None:
    harness.rotate()
    with pytest.raises(NotRetiredError, match="tasks may still log in as app_a, which is not yet retired"):
        harness.rotate()
    for task in harness.ecs.live_tasks:
        assert harness.authenticates(task.read["secret"])
    harness.reconcile_fully()
    harness.rotate()


def test_secret_that_is_changed_during_a_rollout_keeps_the_role_of_older_tasks(
    harness: DatabaseHarness,
) -> None:
    harness.rotate()
    edited = {**current(harness), "note": "added by hand"}
    harness.secret.put(harness.secret.new_id(), json.dumps(edited), "AWSCURRENT")
    with pytest.raises(NotRetiredError, match="tasks may still log in as app_a"):
        harness.rotate()
    for task in harness.ecs.live_tasks:
        assert harness.authenticates(task.read["secret"])
    harness.reconcile_fully()
    harness.rotate()


def test_deployment_that_fails_after_the_rotation_leaves_both_roles(harness: DatabaseHarness) -> None:
    before = current(harness)
    harness.rotate()
    harness.ecs.fail_deployment()
    harness.reconcile()
    assert harness.authenticates(before)
    assert harness.authenticates(current(harness))
    harness.clock.sleep(3600)
    harness.reconcile_fully()
    assert not harness.authenticates(before)


def test_retired_role_is_disconnected(harness: DatabaseHarness) -> None:
    before = current(harness)
    held = harness.log_in(before["username"], before["password"])
    harness.rotate()
    harness.reconcile()
    held.execute("SELECT 1")
    harness.reconcile_fully()
    with pytest.raises(psycopg.OperationalError):
        held.execute("SELECT 1")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"host": "elsewhere.example.com"}, "host of the pending version .* differs from the current one's"),
        ({"port": 1}, "port of the pending version .* differs"),
        ({"dbname": "postgres"}, "dbname of the pending version .* differs"),
        ({"engine": "mysql"}, "engine of the pending version .* differs"),
        ({"username": "master"}, "is not for app_b"),
        ({"username": "app_a"}, "is not for app_b"),
        ({"password": "short"}, "must be ASCII text of 32 to 128 characters"),
        ({"password": 48 * "é"}, "must be ASCII text of 32 to 128 characters"),
    ],
)
def test_version_for_anything_else_is_refused(
    harness: DatabaseHarness, change: dict[str, Any], reason: str
) -> None:
    token = harness.secret.begin_rotation()
    harness.secret.put(token, json.dumps({**harness.successor(), **change}), "AWSPENDING")
    with pytest.raises(UnusableVersionError, match=reason):
        harness.run("setSecret", token)
    harness.rotate()


def test_sessions_are_ended_on_every_instance(harness: DatabaseHarness, tmp_path: Path) -> None:
    """A reader's sessions are its own: the writer does not know of them."""
    with two_instances(harness, tmp_path) as reader:
        harness.reconcile_fully()
        before = current(harness)
        harness.secret.attach("LEAKED", str(harness.secret.holder("AWSCURRENT")))
        held, role = log_in(reader, before["username"], before["password"]), before["username"]
        harness.rotate()
        assert harness.openings("LEAKED") == {
            f"log-in as {role} at {WRITER}": 1,
            f"sessions of {role} at {WRITER}": 0,
            f"log-in as {role} at {READER}": 1,
            f"sessions of {role} at {READER}": 1,
        }
        harness.reconcile_fully()
        assert set(harness.openings("LEAKED").values()) == {0}
    with pytest.raises(psycopg.OperationalError):
        held.execute("SELECT 1")


def test_restored_database_that_takes_the_place_lets_in_what_the_secret_says_and_nothing_else(
    harness: DatabaseHarness,
) -> None:
    """Its roles have the passwords of its backup, one of which may have leaked and been retired since."""
    leaked = current(harness)
    with harness.as_superuser("app") as superuser_:
        backup = superuser_.execute("SELECT rolname, rolpassword FROM pg_authid WHERE rolname ~ '^app_[ab]$'")
        kept = {str(name): str(verifier or "") for name, verifier in backup}
    harness.rotate()
    harness.reconcile_fully()
    assert not harness.authenticates(leaked)
    with harness.as_superuser("app") as superuser_:
        for name, verifier in kept.items():
            password = f"LOGIN PASSWORD '{verifier}'" if verifier else "NOLOGIN PASSWORD NULL"
            superuser_.execute(f"ALTER ROLE {name} {password}")
    assert harness.authenticates(leaked)
    assert not harness.authenticates(current(harness))
    assert harness.reconcile().reconciled  # as long as it is the cluster that it was
    harness.aurora.resource_id = "cluster-RESTORED"
    harness.reconcile()
    assert harness.authenticates(current(harness))
    assert harness.reconcile_fully().reconciled
    assert not harness.authenticates(leaked)


def test_version_that_was_not_admitted_does_not_pass_the_test(harness: DatabaseHarness) -> None:
    token = harness.secret.begin_rotation()
    harness.run("createSecret", token)
    with pytest.raises(LogInRefusedError, match="does not log in as app_b acting as app_owner"):
        harness.run("testSecret", token)
    with pytest.raises(LogInRefusedError):
        harness.run("finishSecret", token)
    assert current(harness)["username"] == "app_a"


def test_change_of_the_role_between_the_steps_is_noticed(harness: DatabaseHarness) -> None:
    token = harness.secret.begin_rotation()
    for step in STEPS[:3]:
        harness.run(step, token)
    with harness.as_rotator() as rotator:
        rotator.execute("SELECT gantry.retire('app_b')")
    with pytest.raises(LogInRefusedError):
        harness.run("finishSecret", token)
    harness.run("setSecret", token)
    harness.run("finishSecret", token)
    assert harness.authenticates(current(harness))


def test_who_changes_the_roles_does_so_alone(harness: DatabaseHarness) -> None:
    token = harness.secret.begin_rotation()
    harness.run("createSecret", token)
    with harness.as_rotator() as other:
        other.execute("SELECT pg_advisory_lock(1)")
        with pytest.raises(RotationError, match="someone else is changing the roles"):
            harness.run("setSecret", token)
        timer = threading.Timer(0.2, other.close)
        timer.start()
        with mock.patch("gantry_runtime.postgres.LOCK_TIMEOUT", "10s"):
            harness.run("setSecret", token)
        timer.join()


@pytest.mark.parametrize("what", [pytest.param("rotate", marks=pytest.mark.long), "reconcile"])
def test_something_else_in_the_middle_of_a_retirement(harness: DatabaseHarness, what: str) -> None:
    check_retirement_interrupted(harness, getattr(harness, what), every=4)


def test_server_that_no_one_vouches_for_is_not_trusted(harness: DatabaseHarness, tmp_path: Path) -> None:
    stranger = ensure_authority(tmp_path).certificate
    token = harness.secret.begin_rotation()
    harness.run("createSecret", token)
    with (
        mock.patch.dict("os.environ", {"PGSSLROOTCERT": str(stranger)}),
        pytest.raises(Exception, match="certificate verify failed") as caught,
    ):
        harness.run("setSecret", token)
    assert "certificate verify failed" in describe(caught.value)


def test_roles_that_already_rest_are_left_in_peace_by_a_stack_update(harness: DatabaseHarness) -> None:
    harness.rotate()
    harness.reconcile_fully()
    before, versions = current(harness), set(harness.secret.versions)
    harness.bootstrap("Update")
    assert current(harness) == before
    assert set(harness.secret.versions) == versions
    assert harness.authenticates(before)
    assert not harness.authenticates({"username": "app_a", "password": 48 * "0"})
