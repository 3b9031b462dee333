"""What the sandbox holds in memory when no one uses it."""

import time
from collections.abc import Iterator

import psutil

from sandbox.lifecycle import Sandbox
from tools.bench.measurement import Measurement
from tools.bench.throwaway import throwaway_sandbox

_IDLE_SECONDS = 20
_MIB = 2**20


def measure() -> Iterator[Measurement]:
    """Add up the memory of every process of a sandbox that has been left alone for a while."""
    with throwaway_sandbox() as harness:
        harness.seconds("up", "--detach")
        time.sleep(_IDLE_SECONDS)
        roots = Sandbox(harness.state_dir).status().pids.values()
        # Each once, should one of the roots have started another.
        processes = {process for root in roots for process in _family(root)}
        total = sum(map(_memory, processes))
    yield Measurement(
        name="sandbox at rest",
        value=total / _MIB,
        unit="MiB",
        target="≤ 600 MiB",
        method=f"proportional set size of {len(processes)} processes, {_IDLE_SECONDS} s after up",
    )


def _family(pid: int) -> Iterator[psutil.Process]:
    parent = psutil.Process(pid)
    yield parent
    yield from parent.children(recursive=True)


def _memory(process: psutil.Process) -> int:
    # Shared pages count once (PSS) where the system knows them, which is Linux.
    full = process.memory_full_info()
    return int(getattr(full, "pss", full.rss))
