"""An event loop in a thread of its own, which other threads call."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_ResultT = TypeVar("_ResultT")


class EventLoopThread:
    """Runs functions and coroutines for threads that wait for the result."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for its end."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def call(self, function: Callable[[], _ResultT]) -> _ResultT:
        """Return what a function returns in the event loop's thread."""

        async def call() -> _ResultT:
            return function()

        return self.wait(call())

    def wait(self, coroutine: Coroutine[Any, Any, _ResultT], *, timeout: float | None = None) -> _ResultT:
        """Return what a coroutine returns.

        Raises
        ------
        TimeoutError
            When it takes longer than so many seconds; it is cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def _run(self) -> None:
        try:
            self.loop.run_forever()
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
