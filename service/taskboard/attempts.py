"""Wrong passwords, counted by account in Valkey.

Why so: `docs/decisions/0042-wrong-passwords-are-counted-by-account.md`.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from taskboard.cache import Cache
from taskboard.errors import ApiError

# Together 100 an hour: NIST SP 800-63B-4, 3.2.2, allows no more than 100 in a row on one account.
STRANGERS_LIMIT = 50  # for all addresses that never signed in to the account
FAMILIAR_LIMIT = 10  # for each that did
MAX_FAMILIAR = 5
_FORGOTTEN_AFTER = timedelta(hours=1)  # without a failure that was counted
_FAMILIAR_FOR = timedelta(days=90)


@dataclass(frozen=True)
class Attempt:
    """An attempt to sign in, which counts as a failure until it has succeeded."""

    account: str
    client: str
    counter: str


class Attempts:
    """Limits wrong passwords for an account, without letting strangers lock out who it belongs to."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def begin(self, email: str, client: str) -> Attempt:
        """Count an attempt.

        Parameters
        ----------
        email
            The account's address as it is stored, so that no other spelling has another counter; what was
            given where there is no such account, which must look like one that there is.
        client
            Address of the client.

        Raises
        ------
        ApiError
            With status 429, if there were too many wrong passwords.
        UnavailableError
            If Valkey does not answer.
        """
        account, address = _account(email), _digest(client)
        async with self._cache.client() as valkey:
            async with valkey.pipeline() as pipeline:
                pipeline.lrange(_familiar(account), 0, -1)
                (familiar,) = await pipeline.execute()
            is_familiar = address in familiar
            limit = FAMILIAR_LIMIT if is_familiar else STRANGERS_LIMIT
            counter = f"failures:{account}:{address if is_familiar else 'strangers'}"
            async with valkey.pipeline() as pipeline:
                pipeline.get(counter)
                pipeline.ttl(counter)
                failures, seconds_left = await pipeline.execute()
            if int(failures or 0) < limit:
                # Counted before the password is compared, so that many at once are no way around it; what is
                # refused is not counted, so that it does not put off the end.
                async with valkey.pipeline() as pipeline:
                    pipeline.incr(counter)
                    pipeline.expire(counter, _FORGOTTEN_AFTER)
                    failures, _ = await pipeline.execute()
                if failures <= limit:
                    return Attempt(account, address, counter)
                seconds_left = int(_FORGOTTEN_AFTER.total_seconds())
        raise ApiError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many_wrong_passwords",
            f"too many wrong passwords for this account; try again in {max(1, seconds_left // 60)} min",
            headers={"retry-after": str(max(1, seconds_left))},
        )

    async def succeed(self, attempt: Attempt) -> None:
        """Take back the failure; from now on its client is familiar to the account.

        Raises
        ------
        UnavailableError
            If Valkey does not answer.
        """
        async with self._cache.client() as valkey, valkey.pipeline() as pipeline:
            pipeline.decr(attempt.counter)
            pipeline.expire(attempt.counter, _FORGOTTEN_AFTER)
            await pipeline.execute()
        await self._remember(attempt.account, attempt.client)

    async def remember(self, email: str, client: str) -> None:
        """Make a client familiar to the account that it has just made.

        Raises
        ------
        UnavailableError
            If Valkey does not answer.
        """
        await self._remember(_account(email), _digest(client))

    async def _remember(self, account: str, address: str) -> None:
        async with self._cache.client() as valkey, valkey.pipeline() as pipeline:
            pipeline.lrem(_familiar(account), 0, address)
            pipeline.lpush(_familiar(account), address)
            pipeline.ltrim(_familiar(account), 0, MAX_FAMILIAR - 1)
            pipeline.expire(_familiar(account), _FAMILIAR_FOR)
            await pipeline.execute()


def _account(email: str) -> str:
    return _digest(unicodedata.normalize("NFKC", email).casefold())


def _familiar(account: str) -> str:
    return f"familiar:{account}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
