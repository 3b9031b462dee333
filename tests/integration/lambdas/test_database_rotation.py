"""The database's password rotates between two roles, in a real PostgreSQL."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest

from gantry_runtime import postgres
from gantry_runtime.failures import describe
from rotation.strategy import LogInRefusedError, NotRetiredError, RotationError, UnusableVersionError
from sandbox.postgres import PostgresServer
from sandbox.tls import ensure_authority
from tests.aws import servers
from tests.aws.rigs import DatabaseRig, check_retirement_interrupted
from tests.aws.secrets_manager import STEPS
from tests.aws.servers import MASTER_PASSWORD, superuser

ROLES = ("app_a", "app_b", "gantry_rotator")


@pytest.fixture
def rig(database: PostgresServer) -> Iterator[DatabaseRig]:
    made = DatabaseRig(database)
    yield made
    made.close()


def current(rig: DatabaseRig) -> dict[str, Any]:
    document = rig.secret.document("AWSCURRENT")
    assert document is not None
    return document


def test_bootstrap_completes_the_secret_and_leaves_one_version(rig: DatabaseRig) -> None:
    assert set(current(rig)) == {"engine", "host", "port", "dbname", "username", "password"}
    assert len(rig.secret.versions) == 1
    assert rig.works(current(rig))


def test_restored_database_is_taken_over_by_the_secrets_of_its_new_home(rig: DatabaseRig) -> None:
    """A backup brings the roles with the passwords of a region that is lost, and maybe the other in use."""
    lost = {role: {"username": role, "password": f"{role}-of-the-lost-region"} for role in ROLES}
    with rig.log_in("master", MASTER_PASSWORD) as master:
        for role, document in lost.items():
            master.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{document['password']}'")
    assert all(rig.works(document) for document in lost.values())

    rig.bootstrap("Create")

    assert rig.works(current(rig))
    rig.come_to_rest()
    assert rig.works(current(rig))
    assert not any(rig.works(document) for document in lost.values())
    rig.rotate()
    assert rig.works(current(rig))


def test_rotations_alternate_between_the_roles(rig: DatabaseRig) -> None:
    users = [current(rig)["username"]]
    for _ in range(3):
        before = current(rig)
        rig.rotate()
        assert rig.works(before)
        assert rig.works(current(rig))
        rig.come_to_rest()
        assert not rig.works(before)
        users.append(current(rig)["username"])
    assert users == ["app_a", "app_b", "app_a", "app_b"]


def test_rotation_right_after_the_first_deployment(rig: DatabaseRig) -> None:
    rig.rotate()
    assert rig.works(current(rig))
    for task in rig.ecs.live_tasks:
        assert rig.works(task.read["secret"])


def test_role_that_tasks_may_use_is_not_touched(rig: DatabaseRig) -> None:
    rig.rotate()
    with pytest.raises(NotRetiredError, match="tasks may still log in as app_a, which is not yet retired"):
        rig.rotate()
    for task in rig.ecs.live_tasks:
        assert rig.works(task.read["secret"])
    rig.come_to_rest()
    rig.rotate()


def test_secret_that_is_changed_during_a_rollout_keeps_the_role_of_older_tasks(rig: DatabaseRig) -> None:
    rig.rotate()
    edited = {**current(rig), "note": "added by hand"}
    rig.secret.put(rig.secret.new_id(), json.dumps(edited), "AWSCURRENT")
    with pytest.raises(NotRetiredError, match="tasks may still log in as app_a"):
        rig.rotate()
    for task in rig.ecs.live_tasks:
        assert rig.works(task.read["secret"])
    rig.come_to_rest()
    rig.rotate()


def test_deployment_that_fails_after_the_rotation_leaves_both_roles(rig: DatabaseRig) -> None:
    before = current(rig)
    rig.rotate()
    rig.ecs.fail_deployment()
    rig.reconcile()
    assert rig.works(before)
    assert rig.works(current(rig))
    rig.clock.sleep(3600)
    rig.come_to_rest()
    assert not rig.works(before)


def test_retired_role_is_disconnected(rig: DatabaseRig) -> None:
    before = current(rig)
    held = rig.log_in(before["username"], before["password"])
    rig.rotate()
    rig.reconcile()
    held.execute("SELECT 1")
    rig.come_to_rest()
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
def test_version_for_anything_else_is_refused(rig: DatabaseRig, change: dict[str, Any], reason: str) -> None:
    token = rig.secret.begin_rotation()
    rig.secret.put(token, json.dumps({**rig.successor(), **change}), "AWSPENDING")
    with pytest.raises(UnusableVersionError, match=reason):
        rig.run("setSecret", token)
    rig.rotate()


def test_sessions_are_ended_on_every_instance(rig: DatabaseRig, tmp_path: Path) -> None:
    """A reader's sessions are its own: the writer does not know of them."""
    trust = tmp_path / "both.pem"
    with (
        servers.database(tmp_path) as reader,
        mock.patch.dict("os.environ", {"PGSSLROOTCERT": str(trust)}),
    ):
        trust.write_text("".join(each.authority.certificate.read_text() for each in (rig.server, reader)))
        rig.bootstrap("Update", Port=str(reader.port))  # the reader has the same roles
        rig.bootstrap("Update")
        rig.come_to_rest()
        before = current(rig)
        rig.secret.attach("LEAKED", str(rig.secret.holder("AWSCURRENT")))
        rig.rotate()
        held = psycopg.connect(
            host="localhost",
            port=reader.port,
            user=before["username"],
            password=before["password"],
            dbname="app",
            autocommit=True,
        )
        with superuser(reader) as replica:  # as replication does
            replica.execute(f"ALTER ROLE {before['username']} NOLOGIN")
        rig.aurora.endpoint, rig.aurora.members = "gantry.cluster-abc.example.com", ["writer", "reader"]
        ports = {"reader.abc.example.com": reader.port, "writer.abc.example.com": rig.server.port}
        connect = postgres.connection

        def resolve(**asked: Any) -> Any:  # noqa: ANN401 - as the connection
            port = ports.get(asked["host"])
            return connect(**(asked | ({"host": "localhost", "port": port} if port else {})))

        role = before["username"]
        with mock.patch.object(postgres, "connection", resolve):
            assert rig.openings("LEAKED") == {
                f"log-in as {role} at writer.abc.example.com": 1,
                f"sessions of {role} at writer.abc.example.com": 0,
                f"log-in as {role} at reader.abc.example.com": 0,
                f"sessions of {role} at reader.abc.example.com": 1,
            }
            rig.come_to_rest()
            assert set(rig.openings("LEAKED").values()) == {0}
        with pytest.raises(psycopg.OperationalError):
            held.execute("SELECT 1")


def test_restored_database_that_takes_the_place_lets_in_what_the_secret_says_and_nothing_else(
    rig: DatabaseRig,
) -> None:
    """Its roles have the passwords of its backup, one of which may have leaked and been retired since."""
    leaked = current(rig)
    with rig.as_superuser("app") as superuser_:
        backup = superuser_.execute("SELECT rolname, rolpassword FROM pg_authid WHERE rolname ~ '^app_[ab]$'")
        kept = {str(name): str(verifier or "") for name, verifier in backup}
    rig.rotate()
    rig.come_to_rest()
    assert not rig.works(leaked)
    with rig.as_superuser("app") as superuser_:
        for name, verifier in kept.items():
            password = f"LOGIN PASSWORD '{verifier}'" if verifier else "NOLOGIN PASSWORD NULL"
            superuser_.execute(f"ALTER ROLE {name} {password}")
    assert rig.works(leaked)
    assert not rig.works(current(rig))
    assert rig.reconcile().settled  # as long as it is the cluster that it was
    rig.aurora.resource_id = "cluster-RESTORED"
    rig.reconcile()
    assert rig.works(current(rig))
    assert rig.come_to_rest().settled
    assert not rig.works(leaked)


def test_version_that_was_not_admitted_does_not_pass_the_test(rig: DatabaseRig) -> None:
    token = rig.secret.begin_rotation()
    rig.run("createSecret", token)
    with pytest.raises(LogInRefusedError, match="does not log in as app_b acting as app_owner"):
        rig.run("testSecret", token)
    with pytest.raises(LogInRefusedError):
        rig.run("finishSecret", token)
    assert current(rig)["username"] == "app_a"


def test_change_of_the_role_between_the_steps_is_noticed(rig: DatabaseRig) -> None:
    token = rig.secret.begin_rotation()
    for step in STEPS[:3]:
        rig.run(step, token)
    with rig.as_rotator() as rotator:
        rotator.execute("SELECT gantry.retire('app_b')")
    with pytest.raises(LogInRefusedError):
        rig.run("finishSecret", token)
    rig.run("setSecret", token)
    rig.run("finishSecret", token)
    assert rig.works(current(rig))


def test_who_changes_the_roles_does_so_alone(rig: DatabaseRig) -> None:
    token = rig.secret.begin_rotation()
    rig.run("createSecret", token)
    with rig.as_rotator() as other:
        other.execute("SELECT pg_advisory_lock(1)")
        with pytest.raises(RotationError, match="somebody else is changing the roles"):
            rig.run("setSecret", token)
        timer = threading.Timer(0.2, other.close)
        timer.start()
        with mock.patch("gantry_runtime.postgres.LOCK_TIMEOUT", "10s"):
            rig.run("setSecret", token)
        timer.join()


@pytest.mark.parametrize("what", [pytest.param("rotate", marks=pytest.mark.long), "reconcile"])
def test_something_else_in_the_middle_of_a_retirement(rig: DatabaseRig, what: str) -> None:
    check_retirement_interrupted(rig, getattr(rig, what), every=4)


def test_server_that_nobody_vouches_for_is_not_trusted(rig: DatabaseRig, tmp_path: Path) -> None:
    stranger = ensure_authority(tmp_path).certificate
    token = rig.secret.begin_rotation()
    rig.run("createSecret", token)
    with (
        mock.patch.dict("os.environ", {"PGSSLROOTCERT": str(stranger)}),
        pytest.raises(Exception, match="certificate verify failed") as caught,
    ):
        rig.run("setSecret", token)
    assert "certificate verify failed" in describe(caught.value)


def test_roles_that_already_rest_are_left_in_peace_by_a_stack_update(rig: DatabaseRig) -> None:
    rig.rotate()
    rig.come_to_rest()
    before, versions = current(rig), set(rig.secret.versions)
    rig.bootstrap("Update")
    assert current(rig) == before
    assert set(rig.secret.versions) == versions
    assert rig.works(before)
    assert not rig.works({"username": "app_a", "password": 48 * "0"})
