"""Valkey, which holds the sessions and the counters of the rate limits."""

import functools
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from valkey.asyncio import BlockingConnectionPool, Valkey
from valkey.asyncio.connection import Connection
from valkey.asyncio.retry import Retry
from valkey.backoff import NoBackoff
from valkey.exceptions import ConnectionError as ValkeyConnectionError
from valkey.exceptions import ValkeyError

from taskboard.errors import UnavailableError
from taskboard.settings import Settings

_TIMEOUT = 2  # seconds, for a connection and for an answer
_MAX_CONNECTIONS = 20


class _TlsConnection(Connection):
    """A connection with a context that all share; the client's own makes one for each, with all its roots."""

    def _connection_arguments(self) -> Mapping[str, object]:
        return {**super()._connection_arguments(), "ssl": _tls_context()}


@functools.cache
def _tls_context() -> ssl.SSLContext:
    # Verifies the name, too; the roots are the system's or SSL_CERT_FILE's.
    return ssl.create_default_context()


class Cache:
    """The client.

    A serverless cache speaks the cluster protocol behind one address, so that every command or transaction
    keeps to one key.
    """

    def __init__(self, settings: Settings) -> None:
        credentials = settings.valkey_secret
        self._pool = BlockingConnectionPool(
            connection_class=_TlsConnection,
            host=settings.valkey_host,
            port=settings.valkey_port,
            username=credentials.username,
            password=credentials.password.get_secret_value(),
            max_connections=_MAX_CONNECTIONS,
            timeout=_TIMEOUT,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            # One that was idle may have ended meanwhile; one that does not answer is not asked twice.
            retry=Retry(NoBackoff(), 1, (ValkeyConnectionError,)),
            decode_responses=True,
        )
        self._client = Valkey(connection_pool=self._pool)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Valkey]:
        """Lend the client.

        Raises
        ------
        UnavailableError
            If Valkey fails or does not answer in time.
        """
        try:
            yield self._client
        except (ValkeyError, OSError) as error:
            raise UnavailableError("cache", str(error) or type(error).__name__) from error

    async def probe(self) -> float:
        """Make a round trip; return how long it took, in milliseconds.

        Raises
        ------
        UnavailableError
            If Valkey does not answer.
        """
        began = time.perf_counter()
        async with self.client() as client:
            await client.ping()
        return round((time.perf_counter() - began) * 1000, 2)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()
        await self._pool.disconnect()
