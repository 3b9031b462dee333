"""The control plane of the sandbox: ministack and the plug-in in one process.

`sandbox.lifecycle` starts it, with the environment that ministack and Lambda functions read. It starts the
backing servers and the service's tasks as children.
"""

import argparse
import asyncio
import dataclasses
import functools
import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack import app

from sandbox.environment import IDENTITY_PATH, PROBLEMS_PATH
from sandbox.layout import Layout
from sandbox.plugin.installation import ControlPlane
from sandbox.ports import HOST, Ports
from sandbox.tls import ensure_authority

# By path.
Answers = Mapping[str, Callable[[], str]]


async def _application(answers: Answers, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
    """Answer what the sandbox is asked about itself; everything else is ministack's."""
    if scope["type"] == "http" and _is_of_a_web_page(dict(scope["headers"])):
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send({"type": "http.response.body", "body": b"The embedded AWS answers no web page."})
        return
    answer = answers.get(scope["path"]) if scope["type"] == "http" else None
    if answer is None:
        # Policies that demand TLS are met: nothing leaves this machine.
        headers = [*scope.get("headers", []), (b"x-forwarded-proto", b"https")]
        await app.app({**scope, "headers": headers}, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": answer().encode()})


def _is_of_a_web_page(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a page of another machine sent a request, by what browsers say of each.

    Any page may send to 127.0.0.1, and what is deployed to the embedded AWS runs on this machine.
    """
    origin = headers.get(b"origin", b"")
    here = not origin or urlsplit(origin.decode(errors="replace")).hostname in {HOST, "localhost"}
    return not here or headers.get(b"sec-fetch-site") == b"cross-site"


async def _serve(answers: Answers, port: int) -> None:
    config = Config()
    config.bind = [f"{HOST}:{port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await serve(functools.partial(_application, answers), config, shutdown_trigger=stopping.wait)


async def _run(layout: Layout) -> None:
    ports = Ports(layout.ports)
    control_plane = ControlPlane(layout, ports, ensure_authority(layout.tls))
    answers = {
        IDENTITY_PATH: lambda: str(layout.root),
        PROBLEMS_PATH: lambda: json.dumps([dataclasses.asdict(each) for each in control_plane.problems()]),
    }
    try:
        await _serve(answers, ports.get("aws"))
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
