"""Projects, which belong to who made them."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter
from psycopg.rows import class_row
from pydantic import BaseModel

from taskboard.dependencies import ServicesDep, SessionDep
from taskboard.errors import NotFoundError
from taskboard.fields import Line
from taskboard.pagination import Item, Page, PageDep

router = APIRouter(prefix="/projects", tags=["projects"])


class ProjectFields(BaseModel):
    """What its owner decides about a project."""

    name: Line


class Project(Item):
    """A list of tasks."""

    name: str


@router.get("")
async def list_projects(session: SessionDep, services: ServicesDep, page: PageDep) -> Page[Project]:
    """List your projects."""
    async with services.database.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Project))
        await cursor.execute(
            """
            SELECT id, name, created_at FROM projects
            WHERE owner_id = %s AND (created_at, id) > (%s, %s) ORDER BY created_at, id LIMIT %s
            """,
            [session.account_id, page.after.created_at, page.after.id, page.fetch],
        )
        return page.page(await cursor.fetchall())


@router.post("", status_code=HTTPStatus.CREATED)
async def create_project(fields: ProjectFields, session: SessionDep, services: ServicesDep) -> Project:
    """Make a project."""
    async with services.database.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Project))
        await cursor.execute(
            "INSERT INTO projects (owner_id, name) VALUES (%s, %s) RETURNING id, name, created_at",
            [session.account_id, fields.name],
        )
        return _found(await cursor.fetchone())


@router.get("/{project_id}")
async def read_project(project_id: UUID, session: SessionDep, services: ServicesDep) -> Project:
    """Read a project of yours."""
    async with services.database.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Project))
        await cursor.execute(
            "SELECT id, name, created_at FROM projects WHERE id = %s AND owner_id = %s",
            [project_id, session.account_id],
        )
        return _found(await cursor.fetchone())


@router.patch("/{project_id}")
async def rename_project(
    project_id: UUID, fields: ProjectFields, session: SessionDep, services: ServicesDep
) -> Project:
    """Rename a project of yours."""
    async with services.database.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Project))
        await cursor.execute(
            "UPDATE projects SET name = %s WHERE id = %s AND owner_id = %s RETURNING id, name, created_at",
            [fields.name, project_id, session.account_id],
        )
        return _found(await cursor.fetchone())


@router.delete("/{project_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete_project(project_id: UUID, session: SessionDep, services: ServicesDep) -> None:
    """Delete a project of yours with its tasks."""
    async with services.database.connection() as connection:
        cursor = await connection.execute(
            "DELETE FROM projects WHERE id = %s AND owner_id = %s", [project_id, session.account_id]
        )
    if not cursor.rowcount:
        raise NotFoundError("project")


def _found(project: Project | None) -> Project:
    if project is None:
        raise NotFoundError("project")
    return project
