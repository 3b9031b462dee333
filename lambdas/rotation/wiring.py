"""Puts the function's parts together as its environment says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from contract.database import LOGIN_ROLES
from contract.secrets import RotatingSecret
from gantry_runtime.clock import Clock
from gantry_runtime.failures import SafeError
from gantry_runtime.secrets import read_json
from rotation.protocol import Rotation
from rotation.reconciler import Reconciler
from rotation.releases import Releases
from rotation.service import Service
from rotation.store import SecretStore
from rotation.strategy import Strategy

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient
    from types_boto3_secretsmanager import SecretsManagerClient

# Well within `cache.ANNOUNCEMENT_DELAY`: who may no longer be waited for must have given up.
_PROMPT = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the function is made of, for one secret.

    Attributes
    ----------
    rotator
        Returns the name of the secret of the role that rotates the others, and when its current version was
        made; None where there is no such role. Who changes it cannot report that nothing calls them.
    """

    clock: Clock
    store: SecretStore
    strategy: Strategy
    rotation: Rotation
    reconciler: Reconciler
    releases: Releases | None
    rotator: Callable[[], tuple[str, datetime]] | None


@dataclass(frozen=True, kw_only=True)
class _Given:
    """What a strategy may be made of."""

    environ: Mapping[str, str]
    clock: Clock
    secrets: "SecretsManagerClient"
    store: SecretStore


def assemble(environ: Mapping[str, str], logger: Logger, clock: Clock | None = None) -> Parts:
    """Return the parts for the secret that the environment names.

    Parameters
    ----------
    environ
        STRATEGY, SECRET_ARN, CLUSTER, SERVICE, and what the strategy needs; RELEASE_SECONDS where deployments
        move traffic.
    logger
        Logger.
    clock
        Clock; by default the machine's.

    Raises
    ------
    SafeError
        When the environment names no known strategy.
    """
    name = environ["STRATEGY"]
    if name not in _STRATEGIES:
        raise SafeError(f"STRATEGY must be one of {', '.join(_STRATEGIES)}, not {name!r}")
    clock, secrets, ecs = clock or Clock(), boto3.client("secretsmanager"), boto3.client("ecs")
    store = SecretStore(secrets, environ["SECRET_ARN"])
    service = Service(ecs, cluster=environ["CLUSTER"], service=environ["SERVICE"], clock=clock)
    strategy = _STRATEGIES[name](_Given(environ=environ, clock=clock, secrets=secrets, store=store))
    return Parts(
        clock=clock,
        store=store,
        strategy=strategy,
        rotation=Rotation(store=store, strategy=strategy, service=service, logger=logger),
        reconciler=Reconciler(store=store, strategy=strategy, service=service, clock=clock, logger=logger),
        releases=_releases(environ, ecs, clock, logger),
        rotator=_rotator(environ, secrets),
    )


def _rotator(
    environ: Mapping[str, str], client: "SecretsManagerClient"
) -> Callable[[], tuple[str, datetime]] | None:
    if "ROTATOR_SECRET_ARN" not in environ:
        return None

    def look() -> tuple[str, datetime]:
        version = client.get_secret_value(SecretId=environ["ROTATOR_SECRET_ARN"])
        return version["Name"], version["CreatedDate"]

    return look


def _releases(
    environ: Mapping[str, str], client: "ECSClient", clock: Clock, logger: Logger
) -> Releases | None:
    if "RELEASE_SECONDS" not in environ:
        return None
    return Releases(
        client,
        cluster=environ["CLUSTER"],
        service=environ["SERVICE"],
        limit=timedelta(seconds=int(environ["RELEASE_SECONDS"])),
        clock=clock,
        logger=logger,
    )


# Imported where they are used: each function loads the drivers of its own kind of secret alone.


def _database(given: _Given) -> Strategy:
    from gantry_runtime.aurora import Cluster  # noqa: PLC0415
    from rotation.database import AlternatingRoles  # noqa: PLC0415
    from rotation.proxy import Proxy  # noqa: PLC0415

    environ, proxy = given.environ, None
    if "PROXY_HOST" in environ:
        secrets = {role: environ[f"PROXY_{role.upper()}_SECRET_ARN"] for role in LOGIN_ROLES}
        proxy = Proxy(given.secrets, host=environ["PROXY_HOST"], secrets=secrets, clock=given.clock)
    return AlternatingRoles(
        partial(read_json, given.secrets, environ["ROTATOR_SECRET_ARN"]),
        cluster=Cluster(boto3.client("rds"), environ["DATABASE_CLUSTER"]),
        clock=given.clock,
        proxy=proxy,
        pauses="DATABASE_PAUSES" in environ,
    )


def _valkey(given: _Given) -> Strategy:
    from rotation.cache import AlternatingCacheUsers, connection  # noqa: PLC0415

    environ = given.environ
    names, ids = (environ[key].split(",") for key in ("CACHE_USER_NAMES", "CACHE_USER_IDS"))
    return AlternatingCacheUsers(
        boto3.client("elasticache", config=_PROMPT),
        ids=dict(zip(names, ids, strict=True)),
        group=environ["CACHE_USER_GROUP"],
        access=environ["CACHE_ACCESS_STRING"],
        connect=partial(connection, environ["CACHE_HOST"], int(environ["CACHE_PORT"])),
        clock=given.clock,
    )


def _signing_key(given: _Given) -> Strategy:
    from rotation.signing_key import KeyRing  # noqa: PLC0415

    lifetime = timedelta(seconds=int(given.environ["SESSION_LIFETIME_SECONDS"]))
    return KeyRing(given.store, session_lifetime=lifetime)


_STRATEGIES: dict[str, Callable[[_Given], Strategy]] = {
    RotatingSecret.DATABASE: _database,
    RotatingSecret.VALKEY: _valkey,
    RotatingSecret.SIGNING_KEY: _signing_key,
}
