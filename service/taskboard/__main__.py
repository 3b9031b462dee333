"""Starts the service: `python -m taskboard`."""

import signal

from taskboard.signals import AWAITED

# First of all: the first process of a container ignores a signal that is neither handled nor blocked.
signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)

import logging  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

from taskboard import logs  # noqa: E402
from taskboard.settings import Settings, SettingsError  # noqa: E402
from taskboard.supervisor import Supervisor  # noqa: E402


def main() -> int:
    """Run the service; return the exit code."""
    logs.configure("INFO")
    try:
        settings = Settings.read(os.environ)
    except SettingsError as error:
        logger = logging.getLogger("taskboard")
        logger.critical("the environment is not usable: %s", error, extra={"problems": error.problems})
        return os.EX_CONFIG
    logs.configure(settings.log_level)
    return Supervisor(settings).run()


if __name__ == "__main__":
    sys.exit(main())
