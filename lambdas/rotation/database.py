"""The database's credentials: two roles that take turns."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pg8000.native

from contract.database import LOGIN_ROLES, OWNER, ROTATOR_REFUSED
from gantry_runtime import postgres
from gantry_runtime.aurora import Cluster
from gantry_runtime.clock import Clock
from gantry_runtime.scram import verifier
from gantry_runtime.secrets import SecretMissingError
from rotation import role_states
from rotation.alternation import AlternatingUsers, other, require_different_users, user_of
from rotation.proxy import Proxy
from rotation.store import Version
from rotation.strategy import LogInRefusedError, RotationError, Target

# PostgreSQL's own function that counts the connections of a role, once its password was right.
_COUNTS_CONNECTIONS = "InitializeSessionUserId"
# invalid_authorization_specification, invalid_password
_REFUSALS = frozenset({"28000", "28P01"})
# Classes of codes of a server that can let no one in: out of resources, or shutting down.
_UNABLE = ("53", "57", "58")
_BROKEN = "08"  # class of codes of a connection that fails
_RAISED = "P0001"
_LOCKED_OUT = "SELECT FROM pg_catalog.pg_roles WHERE rolname = :role AND NOT rolcanlogin"
_SESSIONS = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE usename = :role"
# Readers follow the writer within milliseconds ("Replication with Amazon Aurora" in the Aurora User Guide).
_REPLICATION = timedelta(seconds=20)
_POLL_SECONDS = 1.0


class AlternatingRoles(AlternatingUsers):
    """A rotation gives the idle role a new password; retiring takes the log-in of the other one away.

    Parameters
    ----------
    rotator
        Reads a stage of the secret of the role that may do both, with the address of the database.
    cluster
        What the database runs on.
    clock
        Clock.
    proxy
        Through which the service reaches the database, if not directly.
    pauses
        Whether the database pauses when no one is connected, so that no one may look at its roles.
    """

    def __init__(
        self,
        rotator: Callable[..., Mapping[str, Any]],
        *,
        cluster: Cluster,
        clock: Clock,
        proxy: Proxy | None = None,
        pauses: bool = False,
    ) -> None:
        super().__init__(LOGIN_ROLES)
        self._rotator, self._cluster, self._clock, self._proxy = rotator, cluster, clock, proxy
        self._pauses = pauses

    def place(self) -> str:
        """Return the cluster's resource id, which one that is restored and renamed does not share."""
        return self._cluster.resource_id()

    def verify(self, version: Version) -> None:
        """Log in over verified TLS, directly and as the service does, and write as the owner does."""
        self._log_in(version)
        if self._proxy is not None:
            self._proxy.verify(version, partial(self._log_in, version, host=self._proxy.host))

    def authenticates(self, version: Version) -> bool:
        """Return whether a version logs in, or would if it had not as many connections as it may have."""
        try:
            return super().authenticates(version)
        except pg8000.native.DatabaseError as error:
            if error.args[0].get("R") != _COUNTS_CONNECTIONS:
                raise
            return True

    def _log_in(self, version: Version, *, host: str | None = None) -> None:
        name = str(version.document.get("username"))
        try:
            with self._connect(name, str(version.document.get("password")), host=host) as connection:
                ((session, current),) = connection.run("SELECT session_user, current_user")
                if current == OWNER:
                    _write(connection, version)
        except pg8000.native.DatabaseError as error:
            if error.args[0].get("C") not in _REFUSALS:
                raise
            session = current = None
        if (session, current) != (name, OWNER):
            raise LogInRefusedError(f"version {version.id} does not log in as {name} acting as {OWNER}")

    def drift(self, current: Callable[[], Version]) -> str | None:
        """Return how the two roles differ from what a rotation leaves; nothing while no one can log in."""
        if self._pauses:
            return None
        try:
            return self._drift(current())
        except (pg8000.native.InterfaceError, ConnectionError, TimeoutError):
            return None  # a failover or a restart: the next look is five minutes away
        except pg8000.native.DatabaseError as error:
            if not str(error.args[0].get("C")).startswith((*_UNABLE, _BROKEN)):
                raise
            return None

    def _drift(self, version: Version) -> str | None:
        user = user_of(version, LOGIN_ROLES)
        with self._as_rotator() as connection:
            found = role_states.differences(connection, user)
        # Not where its settings may keep it from logging in: what is found has all of that set again.
        if not found and not self._opens(version, self._rotator()["host"]):
            found.append(f"{user} has another password")
        return "; ".join(found) or None

    def openings(self, version: Version) -> dict[str, int]:
        """Return whether a version logs in to each instance and the proxy, and the sessions of its role."""
        role, found = str(version.document.get("username")), {}
        for host in self._cluster.hosts():
            found[f"log-in as {role} at {host}"] = int(self._opens(version, host))
            with self._as_rotator(host) as instance:
                ((sessions,),) = instance.run(_SESSIONS, role=role)
            found[f"sessions of {role} at {host}"] = sessions
        if self._proxy is not None:
            found[f"log-in as {role} through the proxy"] = int(self._opens(version, self._proxy.host))
        return found

    def _opens(self, version: Version, host: str) -> bool:
        name, password = (str(version.document.get(key)) for key in ("username", "password"))
        try:
            with self._connect(name, password, host=host) as connection:
                connection.run("SELECT 1")  # a proxy reaches the database only for a statement
        except pg8000.native.DatabaseError as error:
            code = str(error.args[0].get("C"))
            # A proxy refuses by codes that AWS does not list.
            by_proxy = self._proxy is not None and host == self._proxy.host
            if code in _REFUSALS or (by_proxy and not code.startswith(_UNABLE)):
                return False
            if error.args[0].get("R") != _COUNTS_CONNECTIONS:
                raise
        return True

    @contextmanager
    def lock(self, *, announced_at: datetime | None = None) -> Iterator[Target]:
        """Hold the rotation's advisory lock, which ends with the connection, whatever becomes of this one."""
        del announced_at  # the lock is stronger
        with self._as_rotator() as connection:
            if not postgres.take_turn(connection):
                raise RotationError("someone else is changing the roles; the step can be run again")
            yield _Roles(connection, self)

    def set_secret(self, connection: pg8000.native.Connection, version: Version) -> None:
        """Let a version's role log in with its password, act as the owner, and nothing else.

        Parameters
        ----------
        connection
            The rotator's, which holds the lock.
        """
        role = str(version.document["username"])
        if connection.run(_LOCKED_OUT, role=role):
            # Sessions that a retirement did not reach would be the current role's from here on.
            self._end_sessions_everywhere(role)
        # A verifier, so that no statement, and no log of statements, carries the password.
        connection.run(
            "SELECT gantry.set_password(:role, :verifier)",
            role=role,
            verifier=verifier(version.document["password"]),
        )
        self._act_as_owner(version)
        if self._proxy is not None:
            self._proxy.learn(version)

    def retire(self, connection: pg8000.native.Connection, role: str) -> None:
        """Let a role log in no more, and end its sessions on every instance."""
        connection.run("SELECT gantry.retire(:role)", role=role)
        self._end_sessions_everywhere(role)
        if self._proxy is not None:
            self._proxy.forget(role)

    def _end_sessions_everywhere(self, role: str) -> None:
        for host in self._cluster.hosts():
            with self._as_rotator(host) as instance:
                self._end_sessions(instance, role)

    def _end_sessions(self, instance: pg8000.native.Connection, role: str) -> None:
        """End a role's sessions on an instance, as soon as that knows that the role may not log in."""
        deadline = self._clock.now() + _REPLICATION
        while True:
            try:
                instance.run("SELECT gantry.end_sessions(:role)", role=role)
            except pg8000.native.DatabaseError as error:
                if error.args[0].get("C") != _RAISED or self._clock.now() >= deadline:
                    raise
                self._clock.sleep(_POLL_SECONDS)
            else:
                return

    @contextmanager
    def _as_rotator(self, host: str | None = None) -> Iterator[pg8000.native.Connection]:
        """Log in as the rotator, whose own password may be changing (lambdas/database_roles/rotator.py)."""
        *others, last = ("AWSCURRENT", "AWSPENDING", "AWSCURRENT")
        with ExitStack() as stack:
            for stage in others:
                try:
                    opened = stack.enter_context(self._rotator_session(stage, host))
                except pg8000.native.DatabaseError as error:
                    if error.args[0].get("C") not in _REFUSALS:
                        raise
                except SecretMissingError:
                    pass
                else:
                    break
            else:
                opened = self._last_session(stack, last, host)
            yield opened

    def _last_session(self, stack: ExitStack, stage: str, host: str | None) -> pg8000.native.Connection:
        try:
            return stack.enter_context(self._rotator_session(stage, host))
        except pg8000.native.DatabaseError as error:
            if error.args[0].get("C") not in _REFUSALS:
                raise
        # As in a database that was restored in place, to before its password was last changed.
        raise RotationError(f"{ROTATOR_REFUSED} with its secret's password: it gets a new one within minutes")

    def _rotator_session(
        self, stage: str, host: str | None
    ) -> AbstractContextManager[pg8000.native.Connection]:
        rotator = self._rotator(stage=stage)
        return postgres.privileged(
            host=host or rotator["host"],
            port=int(rotator["port"]),
            user=rotator["username"],
            password=rotator["password"],
        )

    def _act_as_owner(self, version: Version) -> None:
        """Have a role act as the owner in each of its sessions: it may change that, the rotator may not."""
        name = str(version.document["username"])
        with self._connect(name, version.document["password"], settings={"role": "none"}) as connection:
            role = pg8000.native.identifier(name)
            connection.run(f"ALTER ROLE {role} SET role = '{OWNER}'")
            ((database,),) = connection.run("SELECT pg_catalog.current_database()")
            place = pg8000.native.identifier(database)
            connection.run(f"ALTER ROLE {role} IN DATABASE {place} RESET role")

    def _connect(
        self,
        user: str,
        password: str,
        *,
        host: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[pg8000.native.Connection]:
        # Where the rotator's own secret says: no one who writes the application's can name another place.
        place = self._rotator()
        return postgres.connection(
            host=host or place["host"],
            port=int(place["port"]),
            database=place["dbname"],
            user=user,
            password=password,
            settings=settings,
        )


class _Roles(Target):
    """The pair of roles, while the rotator's lock is held."""

    def __init__(self, connection: pg8000.native.Connection, strategy: AlternatingRoles) -> None:
        self._connection, self._strategy = connection, strategy

    def set_secret(self, version: Version, *, other: Version) -> None:
        require_different_users(version, other)
        self._strategy.set_secret(self._connection, version)

    def retire_previous(self, version: Version, *, authenticates: bool) -> bool:
        if not authenticates:
            self._strategy.set_secret(self._connection, version)
        self._strategy.retire(self._connection, other(version, LOGIN_ROLES))
        return True


def _write(connection: pg8000.native.Connection, version: Version) -> None:
    """Make a table that no one ever sees, as a migration would."""
    connection.run("BEGIN")
    try:
        connection.run(f"CREATE TABLE public.{pg8000.native.identifier(f'verified {version.id}')} ()")
    except pg8000.native.DatabaseError as error:
        raise LogInRefusedError(
            f"version {version.id} logs in but cannot write: SQLSTATE {error.args[0].get('C')}"
        ) from None
    connection.run("ROLLBACK")
