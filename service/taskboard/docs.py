"""The API's documentation, with Swagger UI served from here: the browser may have no other network."""

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from taskboard.pages import page_response

_ASSETS = "/api/docs/assets"


def install(app: FastAPI) -> None:
    """Serve the documentation at `/api/docs`."""
    app.mount(_ASSETS, StaticFiles(packages=[("fastapi_offline", "static")]), name="docs-assets")
    page = get_swagger_ui_html(
        openapi_url=str(app.openapi_url),
        title=app.title,
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url="data:,",
    )
    html = bytes(page.body).decode()

    @app.get("/api/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return page_response(html)
