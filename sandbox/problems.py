"""What of a sandbox does not run, and what it said last."""

import dataclasses
import re
from pathlib import Path

_LINES = 15
_BYTES = 16384
# PostgreSQL's own last word, not an answer to a client; a warning of Valkey's; an error of ours.
_SAYS_WHY = re.compile(
    r"\] (?:FATAL|PANIC):|[0-9] # |^\[Errno|^\w+(?:\.\w+)*(?:Error|Exception|Exit)\b|\b(?:ERROR|CRITICAL)\b"
)


class SandboxError(Exception):
    """The sandbox cannot be started or stopped; the message says why and what to do.

    Parameters
    ----------
    message
        One sentence.
    detail
        Evidence, such as the last lines of a log.
    """

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """A part of a sandbox that should run and does not.

    Attributes
    ----------
    part
        The part's name for a person.
    state
        What is wrong with it: "does not start".
    log
        Its log file.
    lines
        The last lines that it wrote there.
    """

    part: str
    state: str
    log: str
    lines: list[str]

    @classmethod
    def of(cls, part: str, state: str, log: Path) -> "Problem":
        """Return the problem of a part, with the end of its log."""
        return cls(part=part, state=state, log=str(log), lines=last_lines(log))

    def __str__(self) -> str:
        """Return one sentence, with the line of the log that says most."""
        reason = next((line for line in reversed(self.lines) if _SAYS_WHY.search(line)), None)
        return f"{self.part} {self.state}: {reason.strip() if reason else 'its log does not say why'}"


def last_lines(log: Path, *, since: int = 0) -> list[str]:
    """Return the last lines of a log, none of those that ended before an offset."""
    if not log.exists():
        return []
    with log.open("rb") as source:
        source.seek(max(since, size(log) - _BYTES))
        return source.read().decode(errors="replace").splitlines()[-_LINES:]


def size(log: Path) -> int:
    """Return how long a log is, which may not exist yet."""
    return log.stat().st_size if log.exists() else 0
