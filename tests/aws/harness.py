"""A secret of each kind with everything that its rotation touches, ready to be rotated."""

import itertools
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any
from unittest import mock

import pg8000.native
import psycopg
import valkey
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError, ReadTimeoutError

from cache_user import handler as cache_user
from database_roles import handler as database_roles
from gantry_runtime.clock import TimeLimit
from gantry_runtime.custom_resource import NOT_MADE, Request
from gantry_runtime.failures import SafeError
from rotation.reconciler import Report
from rotation.store import SecretStore, Version
from rotation.strategy import Strategy
from rotation.wiring import assemble
from sandbox.postgres import PostgresServer
from tests.aws import aurora, database_proxy
from tests.aws.ecs import CLUSTER, SERVICE, Ecs
from tests.aws.elasticache import GROUP, ElastiCache
from tests.aws.secrets_manager import Secret, SecretsManager
from tests.aws.servers import MASTER_PASSWORD, Cache, superuser
from tests.aws.transport import Aws, Interruptions, SimulatedClock

SESSION_LIFETIME = timedelta(days=7)
_ENVIRON = {"CLUSTER": CLUSTER, "SERVICE": SERVICE}
USER_IDS = {"app": "gantry-test", "app_b": "gantry-test-b"}
_ACCESS = "on ~* &* +@all -@admin -@dangerous"
_logger = Logger(service="rotation")


def request_of(
    clock: SimulatedClock, kind: str, properties: Mapping[str, Any], physical_id: str = NOT_MADE
) -> Request:
    """Return a request of CloudFormation to a custom resource's function."""
    limit = TimeLimit(clock, 780)
    return Request(kind=kind, properties=properties, physical_id=physical_id, limit=limit)


class Harness(ABC):
    """One secret, the service that uses it, and the function that rotates it.

    Attributes
    ----------
    secret, ecs
        Models of what AWS holds.
    clock, interruptions
        Time, and what is to happen in the middle of something.
    """

    def __init__(self) -> None:
        self.clock, self.interruptions = SimulatedClock(), Interruptions()
        self.stack = ExitStack()
        self.secret = self._make_secret()
        self.models: dict[str, object] = {
            "secretsmanager": SecretsManager(self.secret, *self._other_secrets()),
            **self._other_models(),
        }
        self.aws = Aws(self.models, clock=self.clock, interruptions=self.interruptions)
        self.stack.callback(self.aws.close)
        self.stack.enter_context(mock.patch("boto3.client", self.aws.client))
        self._prepare()
        self.ecs = Ecs({"secret": self.secret}, self.clock)
        self.models["ecs"] = self.ecs
        environ = {**_ENVIRON, "SECRET_ARN": self.secret.arn, **self._environ()}
        self.environ = environ
        self._parts = assemble(environ, _logger, self.clock)
        # Who holds the lock meanwhile is on the same thread, and will not let go of it.
        self.stack.enter_context(mock.patch("gantry_runtime.postgres.LOCK_TIMEOUT", "20ms"))
        for target in (pg8000.native.Connection.run, valkey.Valkey.ping):
            self.stack.enter_context(_interrupted(target, self.interruptions))

    def close(self) -> None:
        self.stack.close()

    @property
    def strategy(self) -> Strategy:
        """What rotates this kind of secret."""
        return self._parts.strategy

    @property
    def store(self) -> SecretStore:
        """The secret, as the function sees it."""
        return self._parts.store

    def run(self, step: str, token: str) -> None:
        """Have the function run a step."""
        self._parts.rotation.run(step, token)

    def successor(self) -> dict[str, Any]:
        """Return a document that a rotation might make now."""
        return self.strategy.generate(self._parts.store.current(self._parts.store.snapshot()))

    def openings(self, label: str) -> dict[str, int]:
        """Return what the function says that the version of a label opens."""
        return self.strategy.openings(self.store.require(str(self.secret.holder(label))))

    def current(self) -> Version:
        """Return the current version, as the function sees it."""
        return self.store.current(self.store.snapshot())

    def rotate(self) -> str:
        """Rotate without failures; return the new version's id."""
        return self.secret.rotate(self.run)

    def reconcile(self) -> Report:
        """Have the function reconcile the secret."""
        return self._parts.reconciler.run()

    def reconcile_fully(self) -> Report:
        """Let deployments end and time pass until nothing is left to be done."""
        for _ in range(8):
            report = self.reconcile()
            if report.reconciled and report.pending is None:
                return report
            self.ecs.complete_deployment()
            waits = 24 * 3600 if report.pending else 1800
            self.clock.sleep(max(waits, (report.due - self.clock.now()).total_seconds()))
        raise AssertionError(f"the secret is not reconciled: {report}")

    def authenticates(self, document: Mapping[str, Any]) -> bool:
        """Return whether a credential opens what it is for, now."""
        with self.interruptions.suspended():
            return self._works(document)

    @abstractmethod
    def _works(self, document: Mapping[str, Any]) -> bool: ...

    @abstractmethod
    def _make_secret(self) -> Secret: ...

    @abstractmethod
    def _environ(self) -> dict[str, str]: ...

    def _other_secrets(self) -> list[Secret]:
        return []

    def _other_models(self) -> dict[str, object]:
        return {}

    @abstractmethod
    def _prepare(self) -> None:
        """Make the first credentials as CloudFormation has them made."""


class DatabaseHarness(Harness):
    """The database's roles, in a real PostgreSQL."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        # What a log-in came to, by the password and all that the server keeps of the role.
        self._outcomes: dict[tuple[object, ...], bool] = {}
        super().__init__()

    def _make_secret(self) -> Secret:
        return Secret("database", {"username": "app_a", "password": 48 * "0"}, self.clock)

    def _other_secrets(self) -> list[Secret]:
        self.master = Secret("master", {"username": "master", "password": MASTER_PASSWORD}, self.clock)
        self.rotator = Secret("rotator", {"username": "gantry_rotator", "password": 48 * "r"}, self.clock)
        return [self.master, self.rotator]

    def _prepare(self) -> None:
        trust = {"PGSSLROOTCERT": str(self.server.authority.certificate)}
        self.stack.enter_context(mock.patch.dict(os.environ, trust))
        self._superuser = self.stack.enter_context(closing(superuser(self.server)))
        self.bootstrap("Create")
        # What an earlier test left of the other role, which bootstrapping rightly does not touch.
        with self.as_rotator() as rotator:
            rotator.execute("SELECT gantry.retire('app_b')")

    def _environ(self) -> dict[str, str]:
        return {
            "STRATEGY": "database",
            "DATABASE_CLUSTER": aurora.NAME,
            "ROTATOR_SECRET_ARN": self.rotator.arn,
        }

    def _other_models(self) -> dict[str, object]:
        self.aurora = aurora.Aurora()
        return {"rds": self.aurora}

    def _more_properties(self) -> dict[str, Any]:
        return {}

    def bootstrap(self, request: str, **properties: str) -> None:
        """Have the roles made, as CloudFormation requests it, with other properties than the template's."""
        all_properties = {
            "ClusterEndpoint": "localhost",
            "Port": str(self.server.port),
            "Database": "app",
            "MasterSecretArn": self.master.arn,
            "RotatorSecretArn": self.rotator.arn,
            "ApplicationSecretArn": self.secret.arn,
            **self._more_properties(),
            **properties,
        }
        database_roles.act(request_of(self.clock, request, all_properties))

    @contextmanager
    def pausing(self) -> Iterator[None]:
        """Have the function know a database that pauses when no one is connected."""
        environ = {**self.environ, "DATABASE_PAUSES": "true"}
        with mock.patch.object(self, "_parts", assemble(environ, _logger, self.clock)):
            yield

    def as_superuser(self, database: str) -> psycopg.Connection:
        """Return a session of the role that customers never get."""
        return superuser(self.server, database)

    def change_rotator(self, seconds: float = 780, *, only_refused: bool = False) -> dict[str, int]:
        """Have the rotator's password changed, within a time, or only where it is refused."""
        environ = {
            "MASTER_SECRET_ARN": self.master.arn,
            "ROTATOR_SECRET_ARN": self.rotator.arn,
            "DATABASE_CLUSTER": aurora.NAME,
        }
        return database_roles.change_rotator(
            environ, TimeLimit(self.clock, seconds), only_refused=only_refused
        )

    def as_rotator(self, label: str = "AWSCURRENT") -> psycopg.Connection:
        login = self.rotator.document(label)
        assert login is not None
        return self.log_in("gantry_rotator", login["password"], database="gantry")

    def log_in(self, user: str, password: str, *, database: str = "app") -> psycopg.Connection:
        return psycopg.connect(
            host="localhost",
            port=self.server.port,
            user=user,
            password=password,
            dbname=database,
            sslmode="verify-full",
            sslrootcert=str(self.server.authority.certificate),
            autocommit=True,
        )

    def _works(self, document: Mapping[str, Any]) -> bool:
        user, password = document["username"], document["password"]
        kept = self._superuser.execute("SELECT * FROM pg_authid WHERE rolname = %s", [user]).fetchone()
        if (kept, password) not in self._outcomes:
            self._outcomes[kept, password] = self._logs_in(user, password)
        return self._outcomes[kept, password]

    def _logs_in(self, user: str, password: str) -> bool:
        try:
            database = "gantry" if user == "gantry_rotator" else "app"
            self.log_in(user, password, database=database).close()
        except psycopg.OperationalError:
            return False
        return True


class ProxiedDatabaseHarness(DatabaseHarness):
    """The same, behind a proxy that learns late what its secrets say.

    Attributes
    ----------
    proxy
        The proxy.
    """

    def _other_secrets(self) -> list[Secret]:
        roles = ("app_a", "app_b")
        secrets = {role: database_proxy.ProxySecret(role, self.clock) for role in roles}
        self.proxy = database_proxy.DatabaseProxy(secrets, server="localhost", clock=self.clock)
        self.stack.enter_context(mock.patch("gantry_runtime.postgres.connection", self.proxy.connection))
        return [*super()._other_secrets(), *secrets.values()]

    def _environ(self) -> dict[str, str]:
        arns = {f"PROXY_{role.upper()}_SECRET_ARN": each.arn for role, each in self.proxy.secrets.items()}
        return {**super()._environ(), "PROXY_HOST": database_proxy.HOST, **arns}

    def _prepare(self) -> None:
        super()._prepare()
        self.clock.sleep(database_proxy.STALE.total_seconds())

    def _more_properties(self) -> dict[str, Any]:
        return {"ProxySecretArns": {role: each.arn for role, each in self.proxy.secrets.items()}}

    def _works(self, document: Mapping[str, Any]) -> bool:
        return self.proxy.knows(document["username"], document["password"]) and super()._works(document)


class CacheHarness(Harness):
    """The cache's users, in a real Valkey behind TLS."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        super().__init__()

    def _make_secret(self) -> Secret:
        return Secret("valkey", {"username": "app", "password": 48 * "0"}, self.clock)

    def _other_models(self) -> dict[str, object]:
        self.elasticache = ElastiCache(self._cache.server, self.clock)
        return {"elasticache": self.elasticache}

    def _prepare(self) -> None:
        trust = {"SSL_CERT_FILE": str(self._cache.authority.certificate)}
        self.stack.enter_context(mock.patch.dict(os.environ, trust))
        for name in USER_IDS:
            self.request("Create", name)
        self.elasticache.create_group(*USER_IDS.values())

    def request(self, kind: str, name: str, **properties: str) -> str:
        """Send a request of CloudFormation for a user; return its physical id."""
        all_properties = {
            "UserId": USER_IDS[name],
            "UserName": name,
            "AccessString": _ACCESS,
            "SecretArn": self.secret.arn,
            **properties,
        }
        known = NOT_MADE if kind == "Create" else USER_IDS[name]
        made = request_of(self.clock, kind, all_properties, known)
        cache_user.act(made)
        return made.physical_id

    @contextmanager
    def reached_at(self, port: int) -> Iterator[None]:
        """Have the function find the cache at another port."""
        environ = {**self.environ, "CACHE_PORT": str(port)}
        with mock.patch.object(self, "_parts", assemble(environ, _logger, self.clock)):
            yield

    def _environ(self) -> dict[str, str]:
        return {
            "STRATEGY": "valkey",
            "CACHE_HOST": "localhost",
            "CACHE_PORT": str(self._cache.port),
            "CACHE_USER_NAMES": ",".join(USER_IDS),
            "CACHE_USER_IDS": ",".join(USER_IDS.values()),
            "CACHE_USER_GROUP": GROUP,
            "CACHE_ACCESS_STRING": _ACCESS,
        }

    def connection(self, document: Mapping[str, Any]) -> valkey.Valkey:
        """Return a client with one connection, which it opens at its first command."""
        return valkey.Valkey(
            host="127.0.0.1",
            port=self._cache.server.port,
            username=document["username"],
            password=document["password"],
            single_connection_client=True,
        )

    def _works(self, document: Mapping[str, Any]) -> bool:
        self.elasticache.finish_changes()
        try:
            with self.connection(document) as client:
                return bool(client.ping())
        except valkey.AuthenticationError:
            return False


class SigningKeyHarness(Harness):
    """The key ring; a key works as long as every task's and the current version have it."""

    def _make_secret(self) -> Secret:
        return Secret("signing-key", {"current": 64 * "0"}, self.clock)

    def _prepare(self) -> None:
        """Do nothing: CloudFormation generates the first key, which no one else needs to know."""

    def _environ(self) -> dict[str, str]:
        seconds = int(SESSION_LIFETIME.total_seconds())
        return {"STRATEGY": "signing-key", "SESSION_LIFETIME_SECONDS": str(seconds)}

    def _works(self, document: Mapping[str, Any]) -> bool:
        return len(document["current"]) == 64

    def verifies(self, key: str) -> bool:
        """Return whether every task honours what was signed with a key."""
        return all(key in task.read["secret"].values() for task in self.ecs.live_tasks)


def check_retirement_interrupted(harness: Harness, action: Callable[[], object], *, every: int = 1) -> None:
    """Have something happen at every call of a retirement in turn; no one may be locked out by it.

    Parameters
    ----------
    action
        What happens; it may fail.
    every
        At which calls: every one, every other one, …
    """
    for at in itertools.count(1, every):
        harness.reconcile_fully()
        harness.rotate()
        harness.ecs.complete_deployment()
        harness.clock.sleep(SESSION_LIFETIME.total_seconds() + 3600)
        happened: list[int] = []

        def happen(happened: list[int] = happened) -> None:
            happened.append(1)
            with suppress(SafeError, ClientError):
                action()
            harness.interruptions.watch = partial(
                _require_works, harness, harness.secret.document("AWSCURRENT")
            )

        harness.interruptions.arm(at, happen)
        with suppress(SafeError, ClientError, ReadTimeoutError):
            harness.reconcile()
        harness.interruptions.disarm()
        harness.interruptions.watch = lambda: None
        for task in harness.ecs.live_tasks:
            _require_works(harness, task.read["secret"])
        if not happened:
            return


def _require_works(harness: Harness, document: Mapping[str, Any] | None) -> None:
    assert document is not None
    assert harness.authenticates(document), dump(harness.secret)


@contextmanager
def _interrupted(target: Any, interruptions: Interruptions) -> Iterator[None]:  # noqa: ANN401 - any method
    owner = pg8000.native.Connection if target.__qualname__ == "Connection.run" else valkey.Valkey

    def call(*args: object, **kwargs: object) -> object:
        interruptions.point()
        result = target(*args, **kwargs)
        interruptions.point()
        return result

    with mock.patch.object(owner, target.__name__, call):
        yield


def dump(secret: Secret) -> str:
    """Return a secret's versions for the message of a failed test."""
    return json.dumps({id_[-4:]: sorted(v.labels) for id_, v in secret.versions.items()})
