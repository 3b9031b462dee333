"""Whether the service is alive, and on request what it depends on."""

import asyncio
import logging
import time
from http import HTTPStatus
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from taskboard.cache import Cache
from taskboard.database import Database
from taskboard.dependencies import Services, ServicesDep
from taskboard.errors import ErrorEnvelope, ErrorInfo, NotFoundError, Part, UnavailableError, described
from taskboard.settings import Settings

router = APIRouter(tags=["health"])

_logger = logging.getLogger(__name__)

Status = Literal["ok", "unavailable"]
_KEPT = 1.0  # seconds


class DatabaseHealth(BaseModel):
    """Whether the database answers, and as whom it knows this process."""

    status: Status
    latency_ms: float | None = None
    session_user: str | None = None
    current_user: str | None = None


class CacheHealth(BaseModel):
    """Whether Valkey answers."""

    status: Status
    latency_ms: float | None = None


class SigningKeyIds(BaseModel):
    """Public names of the signing keys."""

    current: str
    previous: str | None


class Health(BaseModel):
    """That the process answers."""

    status: Status
    version: str


class DetailedHealth(Health):
    """What the process is and what it depends on.

    Attributes
    ----------
    failed
        Names of the parts that do not answer.
    """

    environment: str
    failed: list[Part]
    database: DatabaseHealth
    cache: CacheHealth
    signing_keys: SigningKeyIds


class FailedHealth(DetailedHealth, ErrorEnvelope):
    """The same when a part does not answer, in the form of every error of this service, too."""


def plain_answer(settings: Settings) -> JSONResponse:
    """Return the answer to `/healthz` alone."""
    return JSONResponse(Health(status="ok", version=settings.service_version).model_dump(mode="json"))


class Reports:
    """Makes one report at a time and keeps it for a moment, however often it is asked for."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._made: asyncio.Task[DetailedHealth] | None = None
        self._until = 0.0

    async def newest(self) -> DetailedHealth:
        """Return a report that is a moment old at most, or the one that is being made."""
        if self._made is None or (self._made.done() and time.monotonic() > self._until):
            self._made = asyncio.ensure_future(_report(self._services))
            self._made.add_done_callback(self._keep)
        return await asyncio.shield(self._made)  # who waits may leave

    def _keep(self, _made: "asyncio.Task[DetailedHealth]") -> None:
        self._until = time.monotonic() + _KEPT


async def _reports(request: Request) -> Reports:
    return cast("Reports", request.app.state.reports)


@router.head("/healthz", include_in_schema=False, response_model=Health | DetailedHealth)
@router.get(
    "/healthz",
    response_model=Health | DetailedHealth,
    responses=described(
        HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INTERNAL_SERVER_ERROR
    )
    | {
        HTTPStatus.NOT_FOUND: {"model": ErrorEnvelope, "description": "Details, asked for through a proxy."},
        HTTPStatus.SERVICE_UNAVAILABLE: {"model": FailedHealth, "description": "A part has failed."},
    },
)
async def healthz(
    request: Request,
    services: ServicesDep,
    reports: Annotated[Reports, Depends(_reports)],
    detailed: Annotated[bool, Query(description="Also ask the database and the cache.")] = False,
) -> Health | DetailedHealth | JSONResponse:
    """Answer that the process is alive; with `detailed`, also how its database and its cache are.

    The plain answer depends on nothing else: a database that is down is no reason to restart this process.
    The details are for the inside: a request that came through a load balancer does not get them.
    """
    if not detailed:
        return plain_answer(services.settings)
    if "x-forwarded-for" in request.headers:
        raise NotFoundError("page")
    report = await reports.newest()
    if not report.failed:
        return report
    failure = FailedHealth(**dict(report), error=_error(report.failed))
    return JSONResponse(failure.model_dump(mode="json"), status_code=HTTPStatus.SERVICE_UNAVAILABLE)


async def _report(services: Services) -> DetailedHealth:
    database, cache = await asyncio.gather(_database(services.database), _cache(services.cache))
    failed: list[Part] = []
    if database.status != "ok":
        failed.append("database")
    if cache.status != "ok":
        failed.append("cache")
    ids = services.keyring.ids
    return DetailedHealth(
        status="unavailable" if failed else "ok",
        version=services.settings.service_version,
        environment=services.settings.environment,
        failed=failed,
        database=database,
        cache=cache,
        signing_keys=SigningKeyIds(current=ids[0], previous=ids[1] if len(ids) > 1 else None),
    )


def _error(failed: list[Part]) -> ErrorInfo:
    message = f"no answer from: {', '.join(failed)}"
    return UnavailableError(failed[0], message).info.model_copy(update={"message": message})


async def _database(database: Database) -> DatabaseHealth:
    try:
        probe = await database.probe()
    except UnavailableError as error:
        _logger.warning("the database does not answer: %s", error.reason)
        return DatabaseHealth(status="unavailable")
    return DatabaseHealth(
        status="ok",
        latency_ms=probe.latency_ms,
        session_user=probe.session_user,
        current_user=probe.current_user,
    )


async def _cache(cache: Cache) -> CacheHealth:
    try:
        return CacheHealth(status="ok", latency_ms=await cache.probe())
    except UnavailableError as error:
        _logger.warning("the cache does not answer: %s", error.reason)
        return CacheHealth(status="unavailable")
