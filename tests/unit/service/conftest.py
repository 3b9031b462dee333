"""A service whose database and cache are out of reach, and that needs neither to say so."""

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

from sandbox.ports import any_free
from taskboard.application import create_app
from taskboard.board import Board
from taskboard.settings import Settings

Ask = Callable[..., httpx.Response]


@pytest.fixture
def environ() -> dict[str, str]:
    closed_port = str(any_free())
    return {
        "ENVIRONMENT": "test",
        "SERVICE_VERSION": "1.2.3",
        "LOG_LEVEL": "INFO",
        "PORT": "8080",
        "STOP_TIMEOUT_SECONDS": "30",
        "COOKIE_SECURE": "true",
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": closed_port,
        "DATABASE_NAME": "app",
        "DATABASE_POOL_MIN": "0",
        "DATABASE_POOL_MAX": "2",
        "DATABASE_SECRET": json.dumps({"engine": "postgres", "username": "app_a", "password": "p" * 32}),
        "VALKEY_HOST": "127.0.0.1",
        "VALKEY_PORT": closed_port,
        "VALKEY_SECRET": json.dumps({"username": "app", "password": "v" * 32}),
        "SECRET_KEY_BASE": json.dumps({"current": "c" * 64, "previous": "d" * 64}),
    }


@pytest.fixture
def settings(environ: dict[str, str]) -> Settings:
    return Settings.read(environ)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings, Board())


@pytest.fixture
def ask(app: FastAPI) -> Ask:
    """Send one request to the application."""

    def ask(method: str, path: str, **options: object) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app, client=("192.0.2.1", 1234))
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url="https://service.example") as client,
            ):
                return await client.request(method, path, **options)  # type: ignore[arg-type]

        return asyncio.run(send())

    return ask
