"""Run the load balancer of a sandbox: `python -m sandbox.load_balancer --state-dir <directory>`."""

import argparse
import asyncio
import logging
import signal
from pathlib import Path

from sandbox.load_balancer.server import LoadBalancer


async def _serve(state_dir: Path) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await LoadBalancer(state_dir).run(stopping)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.load_balancer", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="the sandbox's directory")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_serve(parser.parse_args().state_dir.resolve()))


if __name__ == "__main__":
    main()
