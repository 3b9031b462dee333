"""What the processes of a task share, in memory that all of them have."""

import mmap
import time

_DRAINING, _LAST_REQUEST, _DATABASE_FULL_UNTIL, _FIRST_BEAT = range(4)


class Board:
    """Numbers in memory that the processes share, and that is made before them; times are monotonic.

    Each is written whole, and the newest counts, whichever process wrote it.

    Attributes
    ----------
    workers
        How many processes serve.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._values = memoryview(mmap.mmap(-1, 8 * (_FIRST_BEAT + workers))).cast("d")
        self.last_request = time.monotonic()

    @property
    def draining(self) -> bool:
        """Whether the task has to stop, and every answer closes its connection."""
        return self._values[_DRAINING] > 0

    @draining.setter
    def draining(self, value: bool) -> None:
        self._values[_DRAINING] = value

    @property
    def last_request(self) -> float:
        """When the task was last asked for something other than its health."""
        return self._values[_LAST_REQUEST]

    @last_request.setter
    def last_request(self, value: float) -> None:
        self._values[_LAST_REQUEST] = value

    @property
    def database_full_until(self) -> float:
        """Until when the database counts as having no room for a write."""
        return self._values[_DATABASE_FULL_UNTIL]

    @database_full_until.setter
    def database_full_until(self, value: float) -> None:
        self._values[_DATABASE_FULL_UNTIL] = value

    def last_beat(self, worker: int) -> float:
        """Return when a worker last showed that it serves; 0 if it has not yet."""
        return self._values[_FIRST_BEAT + worker]

    def beat(self, worker: int, when: float) -> None:
        """Note that a worker serves, or with 0 that a new one begins."""
        self._values[_FIRST_BEAT + worker] = when
