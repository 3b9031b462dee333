"""The control plane of the sandbox: ministack and the plug-in in one process.

`sandbox.lifecycle` starts it, with the environment that ministack and Lambda functions read. It starts the
data planes and the service's tasks as children.
"""

import argparse
import asyncio
import functools
import os
import signal
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack import app

from sandbox.environment import IDENTITY_PATH
from sandbox.layout import Layout
from sandbox.plugin.installation import ControlPlane
from sandbox.ports import HOST, Ports
from sandbox.tls import ensure_authority


async def _application(layout: Layout, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
    """Answer which sandbox this is; everything else is ministack's."""
    if scope["type"] != "http" or scope["path"] != IDENTITY_PATH:
        # Policies that demand TLS are met: nothing leaves this machine.
        headers = [*scope.get("headers", []), (b"x-forwarded-proto", b"https")]
        await app.app({**scope, "headers": headers}, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(layout.root).encode()})


async def _serve(layout: Layout, port: int) -> None:
    config = Config()
    config.bind = [f"{HOST}:{port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await serve(functools.partial(_application, layout), config, shutdown_trigger=stopping.wait)


async def _run(layout: Layout) -> None:
    ports = Ports(layout.ports)
    control_plane = ControlPlane(layout, ports, ensure_authority(layout.tls))
    try:
        await _serve(layout, ports.get("aws"))
    finally:
        await asyncio.to_thread(control_plane.stop)
        # A stack operation may be waiting for a thread that nothing can end; the next start rolls it back.
        os._exit(0)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.server", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="directory that holds everything")
    asyncio.run(_run(Layout(parser.parse_args().state_dir)))


if __name__ == "__main__":
    main()
