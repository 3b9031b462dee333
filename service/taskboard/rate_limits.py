"""Rate limits, counted in Valkey so that they hold over all processes.

While Valkey does not answer nothing is let through uncounted. That costs nothing: a request that is limited
needs a session, which is in Valkey as well.
"""

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from valkey.asyncio.client import Pipeline

from taskboard.cache import Cache
from taskboard.errors import ApiError

_WINDOW = 60  # seconds


@dataclass(frozen=True)
class Quota:
    """What is left in the current window.

    Attributes
    ----------
    reset
        Seconds until the window ends.
    """

    limit: int
    used: int
    reset: int

    @property
    def headers(self) -> dict[str, str]:
        """The response headers that say it."""
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(max(0, self.limit - self.used)),
            "x-ratelimit-reset": str(self.reset),
        }

    def enforce(self) -> None:
        """Refuse the request that went over the limit.

        Raises
        ------
        ApiError
            With status 429, if it did.
        """
        if self.used > self.limit:
            raise ApiError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "rate_limited",
                f"more than {self.limit} requests in a minute; try again in {self.reset} s",
                headers={"retry-after": str(self.reset)},
            )


@dataclass(frozen=True)
class Counter:
    """Where requests are counted, for callers that send other commands in the same pipeline."""

    key: str
    limit: int
    reset: int

    @classmethod
    def now(cls, kind: str, who: str, limit: int) -> Self:
        """Return the counter of this minute; see `RateLimiter.count`."""
        now = int(time.time())
        window = now // _WINDOW
        return cls(f"rate:{kind}:{who}:{window}", limit, (window + 1) * _WINDOW - now)

    def ask(self, pipeline: Pipeline) -> None:
        """Add the commands that count a request; the answer to the last one is the count."""
        pipeline.set(self.key, 0, ex=_WINDOW, nx=True)  # first, so that it ends whatever happens then
        pipeline.incr(self.key)

    def quota(self, used: int) -> Quota:
        """Return what is left."""
        return Quota(limit=self.limit, used=used, reset=self.reset)


class RateLimiter:
    """Counts requests a minute by who makes them."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def count(self, kind: str, who: str, limit: int) -> Quota:
        """Count one request.

        Parameters
        ----------
        kind
            What is limited; each kind has counters of its own.
        who
            Whose requests are counted together.
        limit
            How many a minute are allowed.

        Raises
        ------
        UnavailableError
            If Valkey does not answer.
        """
        counter = Counter.now(kind, who, limit)
        async with self._cache.client() as client, client.pipeline() as pipeline:
            counter.ask(pipeline)
            return counter.quota((await pipeline.execute())[-1])
