"""Starts the service: `python -m taskboard`."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine

import uvicorn
import uvloop

from taskboard import logs
from taskboard.application import create_app
from taskboard.middleware import Activity
from taskboard.migrate import MigrationError, load, migrate
from taskboard.server import KEEP_ALIVE, Server, listen
from taskboard.settings import Settings, SettingsError

_logger = logging.getLogger("taskboard")


async def serve(settings: Settings) -> None:
    """Bring the schema up to date and serve until a signal says to stop.

    Raises
    ------
    MigrationError
        If the schema cannot be brought up to date.
    OSError
        If the port is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # From the very beginning: the first process of a container ignores a signal that it does not handle.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if not await _finishes_before(stop, migrate(settings, load())):
        return
    activity = Activity()
    config = uvicorn.Config(
        create_app(settings, activity),
        loop="none",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
    )
    listener = listen(settings.host, settings.port)
    server = Server(config, stop=stop, stop_timeout=settings.stop_timeout_seconds, activity=activity)
    _logger.info("version %s serves on %s:%s", settings.service_version, settings.host, settings.port)
    await server.serve(sockets=[listener])
    _logger.info("stopped")


async def _finishes_before(stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait({working})
        return False
    await working
    return True


def main() -> int:
    """Run the service; return the exit code."""
    logs.configure("INFO")
    try:
        settings = Settings.read(os.environ)
        logs.configure(settings.log_level)
        uvloop.run(serve(settings))
    except SettingsError as error:
        _logger.critical("the environment is not usable: %s", error, extra={"problems": error.problems})
        return os.EX_CONFIG
    except (MigrationError, OSError) as error:
        _logger.critical("cannot start: %s", error)
        return os.EX_UNAVAILABLE
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
