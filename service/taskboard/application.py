"""Puts the parts together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import Depends, FastAPI

from taskboard import accounts, docs, errors, health, projects, tasks, web
from taskboard.attempts import Attempts
from taskboard.board import Board
from taskboard.cache import Cache
from taskboard.database import Database
from taskboard.dependencies import Services, refuse_other_sites
from taskboard.keyring import KeyRing
from taskboard.middleware import RequestMiddleware
from taskboard.passwords import Passwords
from taskboard.rate_limits import RateLimiter
from taskboard.sessions import Sessions
from taskboard.settings import Settings

_ERRORS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


def create_app(settings: Settings, board: Board) -> FastAPI:
    """Return the application; its connections live as long as its lifespan.

    Parameters
    ----------
    settings
        The configuration.
    board
        What all processes of the task know.
    """
    services = _services(settings, board)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await services.database.open()
        yield
        await services.database.close()
        await services.cache.close()
        services.passwords.close()

    app = FastAPI(
        title="Taskboard",
        summary="Projects and tasks: the reference service of Gantry.",
        version=settings.service_version,
        lifespan=lifespan,
        # Its Location would have the scheme of the hop from the load balancer, and an unchecked Host.
        redirect_slashes=False,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.reports = health.Reports(services)
    app.add_middleware(
        RequestMiddleware, board=board, https=settings.cookie_secure, health=health.plain_answer(settings)
    )
    errors.install(app)
    for router in (accounts.router, projects.router, tasks.router):
        app.include_router(
            router,
            prefix="/api/v1",
            dependencies=[Depends(refuse_other_sites)],
            responses=errors.described(*_ERRORS),
        )
    for part in (health.router, web.router):
        app.include_router(part)
    docs.install(app)
    return app


def _services(settings: Settings, board: Board) -> Services:
    cache = Cache(settings)
    keyring = KeyRing.of(settings.secret_key_base)
    return Services(
        settings=settings,
        database=Database(settings, board),
        cache=cache,
        keyring=keyring,
        sessions=Sessions(cache, keyring, secure=settings.cookie_secure),
        passwords=Passwords(),
        limiter=RateLimiter(cache),
        attempts=Attempts(cache),
    )
