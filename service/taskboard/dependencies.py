"""What the endpoints are given."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, cast

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie

from taskboard.attempts import Attempts
from taskboard.cache import Cache
from taskboard.database import Database
from taskboard.errors import ApiError
from taskboard.keyring import KeyRing
from taskboard.middleware import RequestContext
from taskboard.passwords import Passwords
from taskboard.rate_limits import Quota, RateLimiter
from taskboard.sessions import Session, Sessions
from taskboard.settings import Settings

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything that an endpoint may use; `app.state.services`."""

    settings: Settings
    database: Database
    cache: Cache
    keyring: KeyRing
    sessions: Sessions
    passwords: Passwords
    limiter: RateLimiter
    attempts: Attempts


async def _services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


ServicesDep = Annotated[Services, Depends(_services)]


async def _context(request: Request) -> RequestContext:
    return cast("RequestContext", request.state.context)


ContextDep = Annotated[RequestContext, Depends(_context)]


async def _session_cookie(request: Request, services: ServicesDep) -> str | None:
    return request.cookies.get(services.sessions.cookie_name)


SessionCookieDep = Annotated[str | None, Depends(_session_cookie)]


class _SignedIn(APIKeyCookie):
    """Finds the session of a request; one dependency, because each costs as much as a look into the cache."""

    def __init__(self) -> None:
        # What the API's description says; the cookie is read by the name that it really has.
        super().__init__(
            name="session",
            scheme_name="session",
            description="Comes with signing up or in. Where it is served over HTTPS, its name is "
            "`__Host-session`.",
            auto_error=False,
        )

    async def __call__(self, request: Request) -> Session:  # type: ignore[override]
        services: Services = request.app.state.services
        context: RequestContext = request.state.context
        cookie = request.cookies.get(services.sessions.cookie_name)
        limit = services.settings.rate_limit_per_minute
        session = await services.sessions.find(cookie, limit) if cookie else None
        if session is None:
            raise ApiError(HTTPStatus.UNAUTHORIZED, "not_signed_in", "sign in first")
        if session.renewed_cookie:
            context.response_headers.append(("set-cookie", session.renewed_cookie))
        context.log["account_id"] = str(session.account_id)
        _enforce(session.quota, context)
        return session


SessionDep = Annotated[Session, Security(_SignedIn())]


def _limit(kind: str) -> Callable[[Services, RequestContext], Awaitable[None]]:
    """Return what counts attempts of a kind by the client's address, apart from those of other kinds."""

    async def limit(services: ServicesDep, context: ContextDep) -> None:
        most = services.settings.sign_in_rate_limit_per_minute
        await count_request(services, context, kind, context.client, most)

    return limit


limit_sign_ins = _limit("sign-in")
limit_sign_ups = _limit("sign-up")


async def count_request(services: Services, context: RequestContext, kind: str, who: str, limit: int) -> None:
    """Count a request and have the response say what is left.

    Raises
    ------
    ApiError
        If it went over the limit, or the count fails.
    """
    _enforce(await services.limiter.count(kind, who, limit), context)


def _enforce(quota: Quota, context: RequestContext) -> None:
    context.response_headers.extend(quota.headers.items())
    quota.enforce()


async def refuse_other_sites(request: Request) -> None:
    """Refuse changes that a page of another site asks for in its visitor's name.

    Raises
    ------
    ApiError
        With status 403, if the browser says that another site asks.
    """
    if request.method not in _SAFE_METHODS and _is_cross_site(request.headers):
        raise ApiError(HTTPStatus.FORBIDDEN, "cross_site", "requests from other sites are refused")


def _is_cross_site(headers: Mapping[str, str]) -> bool:
    fetch_site = headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site not in {"same-origin", "none"}
    origin = headers.get("origin")  # browsers too old for the other, or without HTTPS
    # RFC 6454, section 6.2: a scheme, `://`, then the host with its port. Anything else is from elsewhere.
    return origin is not None and origin.partition("://")[2] != headers.get("host")
