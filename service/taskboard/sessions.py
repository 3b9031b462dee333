"""Sessions: who is signed in, held in Valkey under the id that a signed cookie carries."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from starlette.responses import Response

from taskboard.cache import Cache
from taskboard.keyring import KeyRing

# A session ends when it was not used for this long; a retired signing key must be honoured as long.
LIFETIME = timedelta(days=7)
# A session in use is prolonged, and its cookie with it, once this much of its lifetime has gone.
_RENEWAL = timedelta(days=1)


@dataclass(frozen=True)
class Session:
    """A signed-in account.

    Attributes
    ----------
    renewed_cookie
        A `Set-Cookie` header's value that the response should carry, if the cookie is due for renewal.
    """

    id: str
    account_id: UUID
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

    async def start(self, account_id: UUID) -> str:
        """Start a session; return the `Set-Cookie` header's value.

        Raises
        ------
        UnavailableError
            If Valkey does not answer.
        """
        session_id = secrets.token_urlsafe(32)
        async with self._cache.client() as client:
            await client.set(_key(session_id), str(account_id), ex=LIFETIME)
        return self._cookie(self._keyring.sign(session_id), LIFETIME)

    async def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie, or None when it is forged, ended or expired.

        Raises
        ------
        UnavailableError
            If Valkey does not answer.
        """
        verified = self._keyring.verify(cookie)
        if verified is None:
            return None
        key = _key(verified.value)
        async with self._cache.client() as client:
            async with client.pipeline() as pipeline:
                pipeline.get(key)
                pipeline.ttl(key)
                account_id, seconds_left = await pipeline.execute()
            if account_id is None:
                return None
            is_due = seconds_left < (LIFETIME - _RENEWAL).total_seconds()
            if is_due:
                await client.expire(key, LIFETIME)
        renewed = None
        if is_due or not verified.is_current:
            renewed = self._cookie(self._keyring.sign(verified.value), LIFETIME)
        return Session(id=verified.value, account_id=UUID(account_id), renewed_cookie=renewed)

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

    def _cookie(self, value: str, lifetime: timedelta) -> str:
        response = Response()
        seconds = int(lifetime.total_seconds())
        response.set_cookie(
            self.cookie_name, value, max_age=seconds, secure=self._secure, httponly=True, samesite="lax"
        )
        return response.headers["set-cookie"]


def _key(session_id: str) -> str:
    return f"session:{session_id}"
