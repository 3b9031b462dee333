"""Sessions: who is signed in, held in Valkey under the id that a signed cookie carries."""

import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from starlette.responses import Response
from valkey.asyncio import Valkey

from taskboard.cache import Cache
from taskboard.keyring import KeyRing
from taskboard.rate_limits import Counter, Quota

# A session ends when it was not used for this long; a retired signing key must be honoured as long.
LIFETIME = timedelta(days=7)
# It ends in any case after this long, so that a stolen cookie does not live as long as it is used.
MAX_LIFETIME = timedelta(days=30)
# A session in use is prolonged, and its cookie with it, once this much of its lifetime has gone.
_RENEWAL = timedelta(days=1)
_OWNER, _BEGAN = ":", "~"


@dataclass(frozen=True)
class Session:
    """A signed-in account.

    Attributes
    ----------
    quota
        What is left to the account in this minute.
    renewed_cookie
        A `Set-Cookie` header's value that the response should carry, if the cookie is due for renewal.
    """

    id: str
    account_id: UUID
    quota: Quota
    renewed_cookie: str | None = None


class Sessions:
    """Starts, finds and ends sessions.

    Attributes
    ----------
    cookie_name
        Name of the cookie. With the prefix, browsers take it only over HTTPS and from this very host.
    """

    def __init__(self, cache: Cache, keyring: KeyRing, *, secure: bool) -> None:
        self.cookie_name = "__Host-session" if secure else "session"
        self._cache = cache
        self._keyring = keyring
        self._secure = secure

    async def start(self, account_id: UUID, *, replaces: str | None) -> str:
        """Start a session; return the `Set-Cookie` header's value.

        Parameters
        ----------
        account_id
            Who has signed in.
        replaces
            The cookie that the request carried; its session ends.

        Raises
        ------
        UnavailableError
            If Valkey does not answer.
        """
        replaced = self._keyring.verify(replaces) if replaces else None
        # The id says whose the session is and when it began; it is signed, and to the version before this
        # one it is an id like any.
        session_id = f"{secrets.token_urlsafe(32)}{_OWNER}{account_id.hex}{_BEGAN}{int(time.time()):x}"
        async with self._cache.client() as client:
            if replaced:
                await client.delete(_key(replaced.value))
            await client.set(_key(session_id), str(account_id), ex=LIFETIME)
            await _remember(client, account_id, session_id)
        return self._cookie(self._keyring.sign(session_id), LIFETIME)

    async def find(self, cookie: str, limit: int) -> Session | None:
        """Return the session of a cookie, or None when it is forged, ended or expired.

        Parameters
        ----------
        cookie
            The cookie.
        limit
            How many requests a minute the account has. This one is counted on the way.

        Raises
        ------
        UnavailableError
            If Valkey does not answer.
        """
        verified = self._keyring.verify(cookie)
        if verified is None:
            return None
        session_id, key = verified.value, _key(verified.value)
        async with self._cache.client() as client:
            owner = _owner(session_id) or await client.get(key)
            if owner is None:
                return None
            counter = Counter.now("api", str(owner), limit)
            # No transaction: each key may be in another slot of the cluster.
            async with client.pipeline(transaction=False) as pipeline:
                pipeline.get(key)
                pipeline.ttl(key)
                counter.ask(pipeline)
                account_id, seconds_left, _, used = await pipeline.execute()
            longest = min(LIFETIME, _left(session_id))
            if account_id is None or longest <= timedelta():
                # Who has a cookie that is over uses up nothing of the account's.
                await client.decr(counter.key)
                return None
            lifetime = timedelta(seconds=seconds_left)
            is_due = lifetime < longest - _RENEWAL
            if is_due:
                lifetime = longest
                await client.expire(key, lifetime)
                await _remember(client, UUID(account_id), session_id)
        renewed = None
        if is_due or not verified.is_current:
            renewed = self._cookie(self._keyring.sign(session_id), lifetime)
        return Session(session_id, UUID(account_id), counter.quota(used), renewed_cookie=renewed)

    async def end(self, session_id: str) -> str:
        """End a session; return the value of the `Set-Cookie` header that removes its cookie.

        Raises
        ------
        UnavailableError
            If Valkey does not answer.
        """
        async with self._cache.client() as client:
            await client.delete(_key(session_id))
        return self._cookie("", timedelta())

    async def end_all(self, account_id: UUID) -> str:
        """End all sessions of an account; return the value of the `Set-Cookie` header that removes a cookie.

        Raises
        ------
        UnavailableError
            If Valkey does not answer.
        """
        async with self._cache.client() as client:
            async with client.pipeline() as pipeline:
                pipeline.zrange(_sessions_of(account_id), 0, -1)
                (session_ids,) = await pipeline.execute()
            for session_id in session_ids:  # one by one: each key may be in another slot of the cluster
                await client.delete(_key(session_id))
            if session_ids:
                await client.zrem(_sessions_of(account_id), *session_ids)
        return self._cookie("", timedelta())

    def _cookie(self, value: str, lifetime: timedelta) -> str:
        response = Response()
        seconds = int(lifetime.total_seconds())
        response.set_cookie(
            self.cookie_name, value, max_age=seconds, secure=self._secure, httponly=True, samesite="lax"
        )
        return response.headers["set-cookie"]


def _owner(session_id: str) -> UUID | None:
    """Return whose a session is, or None where its id is from before it says so."""
    token, _, owner = session_id.partition(_BEGAN)[0].partition(_OWNER)
    return UUID(owner) if token and owner else None


def _left(session_id: str) -> timedelta:
    """Return how long a session may go on; one that does not say when it began is not prolonged."""
    _, _, began = session_id.partition(_BEGAN)
    return MAX_LIFETIME - timedelta(seconds=time.time() - int(began, 16)) if began else _RENEWAL


async def _remember(client: Valkey, account_id: UUID, session_id: str) -> None:
    """Have an account know its session, and forget those that are over."""
    key, now = _sessions_of(account_id), time.time()
    async with client.pipeline() as pipeline:
        pipeline.zremrangebyscore(key, 0, now)
        pipeline.zadd(key, {session_id: now + MAX_LIFETIME.total_seconds()})
        pipeline.expire(key, MAX_LIFETIME)
        await pipeline.execute()


def _key(session_id: str) -> str:
    return f"session:{session_id}"


def _sessions_of(account_id: UUID) -> str:
    return f"sessions:{account_id}"
