"""What the reference service is compared with: its server and its statement, each without all the rest.

The service's own packages and environment are used: `python -m ops.bench.bare <concurrency> <seconds>` prints
how many statements a second were done.
"""

import asyncio
import os
import sys
import time
from typing import Any

import uvloop
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from taskboard.database import connection_parameters
from taskboard.settings import Settings
from taskboard.tasks import LIST_TASKS

app = FastAPI()


@app.get("/hello")
async def hello() -> dict[str, str]:
    """Answer."""
    return {"status": "ok"}


async def statements(arguments: list[Any], concurrency: int, seconds: float) -> float:
    """Do the statement of a list again and again; return how often a second."""
    settings = Settings.read(os.environ)
    done = 0
    async with AsyncConnectionPool(
        kwargs=connection_parameters(settings), max_size=settings.database_pool_max, open=False
    ) as pool:
        await pool.wait()

        async def work() -> None:
            nonlocal done
            while time.perf_counter() < end:
                async with pool.connection() as connection:
                    await (await connection.execute(LIST_TASKS, arguments)).fetchall()
                done += 1

        began = time.perf_counter()
        end = began + seconds
        await asyncio.gather(*(work() for _ in range(concurrency)))
        return done / (time.perf_counter() - began)


if __name__ == "__main__":
    concurrency, seconds, *arguments = sys.argv[1:]
    print(uvloop.run(statements(arguments, int(concurrency), float(seconds))))  # noqa: T201
