"""Five rounds of rotations at AWS's pace, on a fast clock.

At every call to AWS, the database or the cache each task that runs can log in, and after each round what was
current before it opens nothing: no log-in and no connection that was held, on any instance, with a proxy or
without.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest
import valkey

from sandbox.postgres import PostgresServer
from tests.aws import servers
from tests.aws.harness import (
    CacheHarness,
    DatabaseHarness,
    Harness,
    ProxiedDatabaseHarness,
    SigningKeyHarness,
)
from tests.aws.instances import READER, WRITER, log_in, two_instances

pytestmark = pytest.mark.long

ROUNDS = 5


def documents(harness: Harness) -> list[dict[str, Any]]:
    """Return what the next task and all that run log in with."""
    current = harness.secret.document("AWSCURRENT")
    assert current is not None
    return [current, *(task.read["secret"] for task in harness.ecs.live_tasks)]


@contextmanager
def watched(harness: Harness) -> Iterator[list[int]]:
    """Have every task log in again and again; yield how often they did."""
    log_ins: list[int] = []

    def log_in() -> None:
        for document in documents(harness):
            assert harness.authenticates(document), f"{document['username']} is locked out"
            log_ins.append(1)

    with mock.patch.object(harness.interruptions, "watch", log_in):
        yield log_ins


@pytest.mark.parametrize("make", [DatabaseHarness, ProxiedDatabaseHarness], ids=["direct", "proxied"])
def test_database(
    database: PostgresServer, make: Callable[[PostgresServer], DatabaseHarness], tmp_path: Path
) -> None:
    with closing(make(database)) as harness, two_instances(harness, tmp_path) as reader:
        harness.reconcile_fully()
        with watched(harness) as log_ins:
            for _ in range(ROUNDS):
                before = documents(harness)[0]
                harness.secret.attach("LEAKED", str(harness.secret.holder("AWSCURRENT")))
                login = (before["username"], before["password"])
                held = [harness.log_in(*login), log_in(reader, *login)]
                harness.rotate()
                harness.reconcile_fully()
                assert not harness.authenticates(before)
                openings = harness.openings("LEAKED")
                assert {name.split(" at ")[-1] for name in openings} >= {READER, WRITER}
                assert set(openings.values()) == {0}
                for connection in held:
                    with pytest.raises(psycopg.OperationalError):
                        connection.execute("SELECT 1")
        assert len(log_ins) > 100


@pytest.mark.parametrize("seconds", [None, 240, 590], ids=["drawn", "240 s", "590 s"])
def test_cache(cache: servers.Cache, seconds: int | None) -> None:
    with closing(CacheHarness(cache)) as harness, ExitStack() as clients:
        harness.reconcile_fully()
        if seconds is not None:
            harness.elasticache.effect = lambda: timedelta(seconds=seconds)
        with watched(harness) as log_ins:
            for _ in range(ROUNDS):
                before = documents(harness)[0]
                client = clients.enter_context(harness.connection(before))
                client.set("key", "value")
                harness.rotate()
                harness.reconcile_fully()
                assert not harness.authenticates(before)
                with pytest.raises(valkey.exceptions.ValkeyError):
                    client.get("key")
        assert len(log_ins) > 100


def test_signing_key() -> None:
    with closing(SigningKeyHarness()) as harness:
        for _ in range(ROUNDS):
            before = documents(harness)[0]["current"]
            harness.rotate()
            assert harness.verifies(before)
            harness.ecs.complete_deployment()
            assert harness.verifies(before)
            harness.reconcile_fully()
            assert not _some_task_has(harness, before)


def _some_task_has(harness: Harness, key: str) -> bool:
    held: list[Mapping[str, str]] = [task.read["secret"] for task in harness.ecs.live_tasks]
    return any(key in ring.values() for ring in held)
