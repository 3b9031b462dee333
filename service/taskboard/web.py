"""The page that greets a person."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from taskboard.pages import page_response

router = APIRouter(include_in_schema=False)

_HTML = Path(__file__).with_name("index.html").read_text(encoding="utf-8")


@router.head("/")
@router.get("/")
async def index() -> HTMLResponse:
    """Return the page."""
    return page_response(_HTML)
