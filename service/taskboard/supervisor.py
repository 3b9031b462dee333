"""The first process of a task: migrates, has workers serve, and ends them without failing a request.

It runs no event loop and no thread, so that what it forks is whole. Signals stay blocked and are waited for:
none is lost, whatever it does meanwhile.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator

from taskboard.board import Board
from taskboard.migrate import MigrationError, load, migrate
from taskboard.server import listen, serve
from taskboard.settings import Settings
from taskboard.signals import AWAITED, STOP

_logger = logging.getLogger(__name__)

# Seconds.
_TICK, _SHORT_TICK = 1.0, 0.05
_HUNG_AFTER = 30.0
_MARGIN = 1.0  # of the stop timeout, for killing what is left and leaving


class Supervisor:
    """Starts the workers of a task, replaces one that dies, and stops them together.

    A load balancer goes on sending requests for a moment after the task got SIGTERM. So they are served,
    each with `Connection: close`, until none has come for a tenth of the stop timeout, or half of it is over;
    only then is the port closed. What is being answered has the rest of the time.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._board = Board(settings.workers)
        self._listeners: list[socket.socket] = []
        self._workers: dict[int, int] = {}  # numbers of workers by their processes
        self._started = [0.0] * settings.workers

    def run(self) -> int:
        """Run the task; return its exit code."""
        settings = self._settings
        code = self._migrate()
        if code is not None:
            return code
        try:
            self._listeners = listen(settings.host, settings.port, settings.workers)
        except OSError as error:
            _logger.critical("cannot start: %s", error)
            return os.EX_UNAVAILABLE
        gc.freeze()  # so that collections leave the pages alone that the workers share
        for worker in range(settings.workers):
            self._start(worker)
        address = (settings.service_version, settings.host, settings.port, settings.workers)
        _logger.info("version %s serves on %s:%s; workers: %s", *address)
        code = self._watch()
        self._stop()
        _logger.info("stopped")
        return code

    def _migrate(self) -> int | None:
        """Bring the schema up to date, in a process of its own; return an exit code to leave with, if any."""
        process = _fork(lambda: asyncio.run(_migrate_until_stopped(self._settings)))
        stopping = False
        while True:
            if not stopping and _next_signal(_TICK) in STOP:
                stopping = True
                os.kill(process, signal.SIGTERM)
            ended, status = os.waitpid(process, 0 if stopping else os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return os.EX_OK if stopping else code or None

    def _start(self, worker: int) -> None:
        self._board.beat(worker, 0)
        self._started[worker] = time.monotonic()

        def work() -> int:
            for other, listener in enumerate(self._listeners):
                if other != worker:
                    listener.close()
            serve(self._settings, self._board, worker, self._listeners[worker])
            return os.EX_OK

        self._workers[_fork(work)] = worker

    def _watch(self) -> int:
        while _next_signal(_TICK) not in STOP:
            for worker, code in self._reap():
                if not self._board.last_beat(worker):
                    _logger.critical("worker %s ended with %s before it served", worker, code)
                    return os.EX_SOFTWARE
                _logger.error("worker %s ended with %s; another takes its place", worker, code)
                self._start(worker)
            self._kill_hung()
        return os.EX_OK

    def _kill_hung(self) -> None:
        now = time.monotonic()
        for process, worker in self._workers.items():
            if now - max(self._started[worker], self._board.last_beat(worker)) > _HUNG_AFTER:
                _logger.error("worker %s has done nothing for %s s and is killed", worker, _HUNG_AFTER)
                os.kill(process, signal.SIGKILL)

    def _reap(self) -> Iterator[tuple[int, int]]:
        for process in list(self._workers):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                yield self._workers.pop(process), os.waitstatus_to_exitcode(status)

    def _stop(self) -> None:
        timeout, began = self._settings.stop_timeout_seconds, time.monotonic()
        self._board.draining = True
        while time.monotonic() < min(
            began + timeout / 2, max(began, self._board.last_request) + timeout / 10
        ):
            _next_signal(_SHORT_TICK)
        for listener in self._listeners:
            listener.close()
        self._send(signal.SIGTERM)
        while self._workers and time.monotonic() < began + timeout - _MARGIN:
            _next_signal(_SHORT_TICK)
            for _ in self._reap():
                pass
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        for process in self._workers:
            os.kill(process, number)


async def _migrate_until_stopped(settings: Settings) -> int:
    work = asyncio.ensure_future(migrate(settings, load()))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        await work
    except MigrationError as error:
        _logger.critical("cannot start: %s", error)
        return os.EX_UNAVAILABLE
    except asyncio.CancelledError:
        _logger.info("stopping")
    return os.EX_OK


def _next_signal(within: float) -> int:
    """Wait for a signal; return SIGALRM when the time is over."""
    signal.setitimer(signal.ITIMER_REAL, within)
    return signal.sigwait(AWAITED)


def _fork(work: Callable[[], int]) -> int:
    """Have a process do the work and exit with what it returns; return its id."""
    process = os.fork()
    if process:
        return process
    code = os.EX_SOFTWARE
    try:
        code = work()
    except BaseException:
        _logger.exception("a process failed")
    finally:
        os._exit(code)
