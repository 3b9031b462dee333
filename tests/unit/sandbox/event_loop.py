"""Tests that are coroutines."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import ParamSpec

Parameters = ParamSpec("Parameters")


def scenario(test: Callable[Parameters, Coroutine[None, None, None]]) -> Callable[Parameters, None]:
    """Run a test in an event loop, and leave nothing open behind it."""

    @functools.wraps(test)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        async def run_and_clean_up() -> None:
            await test(*args, **kwargs)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for other in others:
                other.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0)  # closed connections are taken down in the next turn

        asyncio.run(run_and_clean_up())

    return run
