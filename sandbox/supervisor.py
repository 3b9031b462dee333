"""Starts the control plane and the local load balancer again when they die: `python -m sandbox.supervisor`.

`sandbox.lifecycle` starts it, and ends it before anything else when the sandbox is stopped.
"""

import argparse
import logging
import math
import signal
import threading
import time
from pathlib import Path

from sandbox.layout import Layout
from sandbox.lifecycle import Sandbox, SandboxError

_logger = logging.getLogger(__name__)

_WATCH_SECONDS = 0.5
# After the first death there is no pause, then each is twice as long.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
# What ran this long is not in a loop of crashes.
_STABLE_SECONDS = 60.0


class Supervisor:
    """Watches one sandbox.

    Parameters
    ----------
    state_dir
        The sandbox's folder.
    """

    def __init__(self, state_dir: Path) -> None:
        self._layout = Layout(state_dir)
        self._sandbox = Sandbox(state_dir)
        self._pause = 0.0
        self._revived_at = -math.inf

    def run(self, stopping: threading.Event) -> None:
        """Watch until `stopping` is set, or until the folder is moved or removed, which ends the sandbox."""
        processes = self._sandbox.processes()
        _logger.info("watching %s", ", ".join(str(each.pid) for each in processes))
        while not stopping.wait(_WATCH_SECONDS):
            # Not the folder itself: what still writes to it makes it again.
            if not self._layout.location.exists():
                _logger.error("%s is gone: the sandbox ends", self._layout.root)
                for process in reversed(processes):  # this one last
                    process.kill_group()
            processes = self._sandbox.processes()
            if time.monotonic() - self._revived_at >= self._pause:
                self._revive()

    def _revive(self) -> None:
        try:
            revived = self._sandbox.revive()
        except SandboxError as error:
            _logger.error("%s", error)  # noqa: TRY400 - the message says it all
        except Exception:
            _logger.exception("what has ended cannot be started")
        else:
            if not revived:
                return
            for part in revived:
                _logger.warning("%s had ended and is started", part.title)
        now = time.monotonic()
        stable = now - self._revived_at > self._pause + _STABLE_SECONDS
        self._pause = _FIRST_PAUSE if stable else min(2 * self._pause, _LONGEST_PAUSE)
        self._revived_at = now


def main() -> None:
    """Watch until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.supervisor", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="the sandbox's directory")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    Supervisor(parser.parse_args().state_dir).run(stopping)


if __name__ == "__main__":
    main()
