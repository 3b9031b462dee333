"""Tasks, which belong to who owns their project."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter
from psycopg.rows import class_row
from pydantic import BaseModel

from taskboard.dependencies import ServicesDep, SessionDep
from taskboard.errors import NotFoundError
from taskboard.fields import Line
from taskboard.pagination import Item, Page, PageDep

router = APIRouter(prefix="/projects/{project_id}/tasks", tags=["tasks"])

# No row: no such project. A row without an id: a project, and no task of it.
LIST_TASKS = """
    SELECT task.id, title, done, task.created_at FROM projects LEFT JOIN LATERAL (
        SELECT id, title, done, created_at FROM tasks
        WHERE project_id = projects.id AND (created_at, id) > (%s, %s) ORDER BY created_at, id LIMIT %s
    ) AS task ON true
    WHERE projects.id = %s AND owner_id = %s ORDER BY task.created_at, task.id
"""


class NewTask(BaseModel):
    """What a task begins with."""

    title: Line
    done: bool = False


class TaskChanges(BaseModel):
    """What is to be different about a task; what is left out stays."""

    title: Line | None = None
    done: bool | None = None


class Task(Item):
    """Something to do."""

    title: str
    done: bool


@router.get("")
async def list_tasks(
    project_id: UUID, session: SessionDep, services: ServicesDep, page: PageDep
) -> Page[Task]:
    """List the tasks of a project of yours."""
    async with services.database.connection() as connection:
        cursor = await connection.execute(
            LIST_TASKS,
            [page.after.created_at, page.after.id, page.fetch, project_id, session.account_id],
        )
        rows = await cursor.fetchall()
    if not rows:
        raise NotFoundError("project")
    return page.page(
        [
            Task(id=task_id, title=title, done=done, created_at=created_at)
            for task_id, title, done, created_at in rows
            if task_id is not None
        ]
    )


@router.post("", status_code=HTTPStatus.CREATED)
async def create_task(project_id: UUID, new: NewTask, session: SessionDep, services: ServicesDep) -> Task:
    """Add a task to a project of yours."""
    async with services.database.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Task))
        await cursor.execute(
            """
            INSERT INTO tasks (project_id, title, done)
            SELECT id, %s, %s FROM projects WHERE id = %s AND owner_id = %s
            RETURNING id, title, done, created_at
            """,
            [new.title, new.done, project_id, session.account_id],
        )
        task = await cursor.fetchone()
    if task is None:
        raise NotFoundError("project")
    return task


@router.get("/{task_id}")
async def read_task(project_id: UUID, task_id: UUID, session: SessionDep, services: ServicesDep) -> Task:
    """Read a task of yours."""
    async with services.database.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Task))
        await cursor.execute(
            """
            SELECT tasks.id, title, done, tasks.created_at
            FROM tasks JOIN projects ON projects.id = project_id
            WHERE tasks.id = %s AND project_id = %s AND owner_id = %s
            """,
            [task_id, project_id, session.account_id],
        )
        return _found(await cursor.fetchone())


@router.patch("/{task_id}")
async def change_task(
    project_id: UUID, task_id: UUID, changes: TaskChanges, session: SessionDep, services: ServicesDep
) -> Task:
    """Change a task of yours."""
    async with services.database.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Task))
        await cursor.execute(
            """
            UPDATE tasks SET title = coalesce(%s, title), done = coalesce(%s, done)
            FROM projects
            WHERE projects.id = project_id AND tasks.id = %s AND project_id = %s AND owner_id = %s
            RETURNING tasks.id, title, done, tasks.created_at
            """,
            [changes.title, changes.done, task_id, project_id, session.account_id],
        )
        return _found(await cursor.fetchone())


@router.delete("/{task_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_task(project_id: UUID, task_id: UUID, session: SessionDep, services: ServicesDep) -> None:
    """Delete a task of yours."""
    async with services.database.connection() as connection:
        cursor = await connection.execute(
            """
            DELETE FROM tasks USING projects
            WHERE projects.id = project_id AND tasks.id = %s AND project_id = %s AND owner_id = %s
            """,
            [task_id, project_id, session.account_id],
        )
    if not cursor.rowcount:
        raise NotFoundError("task")


def _found(task: Task | None) -> Task:
    if task is None:
        raise NotFoundError("task")
    return task
