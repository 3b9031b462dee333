"""What the reference service is compared with: its server, framework and statements, without the rest.

The service's own packages and environment are used: `python -m tools.bench.bare <way> <concurrency>
<seconds>`
prints how many lists a second were read, in one statement or in two.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import uvloop
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from taskboard.cache import Cache
from taskboard.database import connection_parameters
from taskboard.pagination import START, Page, PageRequest
from taskboard.rate_limits import Counter
from taskboard.settings import Settings
from taskboard.tasks import LIST_TASKS, Task

# What a list was before it was one statement: whether the project is the account's, then its tasks.
_OWNED = "SELECT FROM projects WHERE id = %s AND owner_id = %s"
_TASKS = """
    SELECT id, title, done, created_at FROM tasks
    WHERE project_id = %s AND (created_at, id) > (%s, %s) ORDER BY created_at, id LIMIT %s
"""


def _pool(settings: Settings) -> AsyncConnectionPool:
    return AsyncConnectionPool(
        kwargs=connection_parameters(settings), max_size=settings.database_pool_max, open=False
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = Settings.read(os.environ).share(0)
    async with _pool(settings) as pool:
        app.state.pool, app.state.cache = pool, Cache(settings)
        yield
        await app.state.cache.close()


app = FastAPI(lifespan=_lifespan)


@app.get("/hello")
async def hello() -> dict[str, str]:
    """Answer."""
    return {"status": "ok"}


@app.get("/list/{account}/{project}/{limit}")
async def list_tasks(account: UUID, project: UUID, limit: int) -> Page[Task]:
    """Make the round trips of a list and answer like it, without a session, a limit, an id or a log line."""
    counter = Counter.now("bare", str(account), limit)
    async with app.state.cache.client() as client, client.pipeline(transaction=False) as pipeline:
        pipeline.get(counter.key)
        pipeline.ttl(counter.key)
        counter.ask(pipeline)
        await pipeline.execute()
    page = PageRequest(after=START, limit=limit)
    arguments = [page.after.created_at, page.after.id, page.fetch, project, account]
    async with app.state.pool.connection() as connection:
        rows = await (await connection.execute(LIST_TASKS, arguments)).fetchall()
    return page.page([Task(id=row[0], title=row[1], done=row[2], created_at=row[3]) for row in rows])


async def lists(way: str, concurrency: int, seconds: float, page: list[Any], owner: list[Any]) -> float:
    """Read a list again and again, in `one` statement or in `two`; return how often a second."""
    statements = {"one": [(LIST_TASKS, page + owner)], "two": [(_OWNED, owner), (_TASKS, [owner[0], *page])]}
    done = 0
    async with _pool(Settings.read(os.environ)) as pool:
        await pool.wait()

        async def work() -> None:
            nonlocal done
            while time.perf_counter() < end:
                async with pool.connection() as connection:
                    for statement, arguments in statements[way]:
                        cursor = await connection.execute(statement, arguments)
                        await cursor.fetchall()
                done += 1

        began = time.perf_counter()
        end = began + seconds
        await asyncio.gather(*(work() for _ in range(concurrency)))
        return done / (time.perf_counter() - began)


if __name__ == "__main__":
    way, concurrency, seconds, *arguments = sys.argv[1:]
    rate = lists(way, int(concurrency), float(seconds), arguments[:3], arguments[3:])
    print(uvloop.run(rate))  # noqa: T201
