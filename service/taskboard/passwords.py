"""Password hashes, computed outside of the event loop."""

import asyncio
import functools
import secrets
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import argon2

from taskboard.errors import OverloadedError

# OWASP's password storage cheat sheet: Argon2id with 19 MiB, two iterations and one lane, so that a burst of
# sign-ins fits into a small container.
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Requests that may wait for a hash in each worker, of some 50 ms.
MAX_WAITING = 16


def normalised(password: str) -> str:
    """Return a password as it is hashed, whichever way a keyboard composes its characters (NFKC)."""
    return unicodedata.normalize("NFKC", password)


@functools.cache
def _decoy() -> str:
    return _hasher.hash(secrets.token_urlsafe())


class Passwords:
    """Hashes passwords and compares them, one at a time: a worker has one processor."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="argon2")
        self._waiting = 0
        self._decoy = _decoy()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Take a place in the queue for a hash.

        Raises
        ------
        OverloadedError
            If there is none, before anything was done for the request.
        """
        if self._waiting >= MAX_WAITING:
            raise OverloadedError
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def hash(self, password: str) -> str:
        """Return the password's hash with its parameters."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _hasher.hash, normalised(password))

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Return whether the hash is the password's; without a hash this takes as long and says no."""
        loop = asyncio.get_running_loop()
        matches = await loop.run_in_executor(
            self._threads, _matches, hashed or self._decoy, normalised(password)
        )
        return matches and hashed is not None

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _matches(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except argon2.exceptions.VerifyMismatchError:
        return False
