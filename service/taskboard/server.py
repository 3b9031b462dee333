"""A worker: one process that serves, and the sockets that it does so on."""

import gc
import os
import signal
import socket
import time

import uvicorn

from taskboard.application import create_app
from taskboard.board import Board
from taskboard.heads import KEEP_ALIVE, BoundedHeads
from taskboard.settings import Settings

_BACKLOG = 1024
_BEAT = 1  # seconds
_GARBAGE = 10_000  # allocations from one collection to the next


def serve(settings: Settings, board: Board, worker: int, listener: socket.socket) -> None:
    """Serve until SIGTERM, which comes when the task has drained, or until the supervisor is gone.

    Parameters
    ----------
    settings
        The configuration of the whole task.
    board
        Shared with the other workers.
    worker
        Its number.
    listener
        What it accepts connections from.
    """
    supervisor = os.getppid()

    async def beat() -> None:
        board.beat(worker, time.monotonic())
        # Blocked until now, when the server handles it.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        if os.getppid() != supervisor:
            signal.raise_signal(signal.SIGTERM)

    # The server raises once more what has stopped it, when all is done.
    signal.signal(signal.SIGTERM, lambda *_: None)
    config = uvicorn.Config(
        create_app(settings.share(worker), board),
        loop="uvloop",
        http=BoundedHeads,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, settings.stop_timeout_seconds // 2 - 1),
        timeout_notify=_BEAT,
        callback_notify=beat,
    )
    # What lives as long as the worker is not looked through again, and much garbage dies by itself.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    uvicorn.Server(config).run(sockets=[listener])


def listen(host: str, port: int, count: int) -> list[socket.socket]:
    """Return sockets that listen, among which the kernel spreads connections.

    One that all workers accept from would give the next hundred connections to the first that runs.

    Raises
    ------
    OSError
        If the address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Finds the port taken, which the others would share with any process of the same user.
    alone = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    if count == 1:
        return [alone]
    alone.close()
    return [
        socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=True)
        for _ in range(count)
    ]
