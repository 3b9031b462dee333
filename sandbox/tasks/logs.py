"""The output of tasks: into a file each, and in batches to CloudWatch Logs."""

import asyncio
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_LONGEST_LINE = 256 * 1024  # bytes, the longest event that CloudWatch Logs takes
_FILE_SIZE = 16 * 1024 * 1024  # bytes; then the file starts again and the old one is kept next to it
_FILES = 50  # of the latest tasks


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogEvent:
    """A line of output and when it came, in milliseconds since 1970, as `PutLogEvents` takes it."""

    timestamp: int
    message: str


LogWriter = Callable[[Sequence[LogEvent]], None]


class TaskLog:
    """Where the output of one task goes.

    Parameters
    ----------
    path
        The file that gets all of it, as it is.
    deliver
        Called with every batch of lines; must not block.
    interval
        Seconds in which lines are gathered before they are delivered.
    """

    def __init__(self, path: Path, *, deliver: LogWriter | None, interval: float) -> None:
        self._path = path
        self._deliver = deliver
        self._interval = interval
        self._batch: list[LogEvent] = []
        self._timer: asyncio.TimerHandle | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_oldest(path.parent)
        self._file = path.open("ab")

    async def copy(self, output: asyncio.StreamReader) -> None:
        """Take what a process writes until it ends."""
        rest = b""
        while chunk := await output.read(65536):
            self._write(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            self._gather(lines)
        self._gather([rest] if rest else [])
        self._flush()
        self._file.close()

    def _write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._file.flush()
        if self._file.tell() > _FILE_SIZE:
            self._file.close()
            self._path.replace(self._path.with_suffix(".old.log"))
            self._file = self._path.open("ab")

    def _gather(self, lines: Sequence[bytes]) -> None:
        if self._deliver is None or not lines:
            return
        now = time.time_ns() // 1_000_000
        self._batch += [
            LogEvent(timestamp=now, message=text)
            for line in lines
            if (text := line.decode(errors="replace").rstrip("\r"))
        ]
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._batch and self._deliver is not None:
            batch, self._batch = self._batch, []
            self._deliver(batch)


def _remove_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[_FILES:]:
        path.unlink(missing_ok=True)
