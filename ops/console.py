"""What a person sees: data goes to stdout, everything else to stderr."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.text import Text

out = Console()
err = Console(stderr=True, highlight=False)


class CliError(Exception):
    """A failure that the operator can act on.

    Parameters
    ----------
    message
        One sentence: what failed, with the thing and the value.
    remedy
        The next command or action, when there is one.
    detail
        Evidence, such as the last lines of a log.
    """

    def __init__(self, message: str, *, remedy: str | None = None, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.detail = detail


def report(error: CliError) -> None:
    """Print a failure to stderr: evidence first, so that the sentence stands last and is seen."""
    if error.detail:
        err.print(Text(error.detail.rstrip(), style="dim"))
    err.print(Text("✗ ", style="bold red").append(error.message, style="bold"))
    if error.remedy:
        err.print(Text("  " + error.remedy))


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log, or an empty string when it does not exist."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Phase:
    """A running phase; `note` says what it is doing now and `result` how it ended."""

    label: str
    result: str = ""
    _status: Status | None = field(default=None, repr=False)

    def note(self, text: str) -> None:
        """Show what the phase is doing now (only on a terminal)."""
        if self._status is not None:
            self._status.update(f"{self.label} [dim]{text}[/dim]")


@contextmanager
def phase(label: str) -> Iterator[Phase]:
    """Show a phase while it runs, and its time when it ends."""
    began = time.monotonic()
    current = Phase(label)
    try:
        if err.is_terminal:
            with err.status(label) as status:
                current._status = status
                yield current
        else:
            yield current
    except BaseException:
        err.print(f"[red]✗[/red] {label}  [dim]{time.monotonic() - began:.1f} s[/dim]")
        raise
    result = f"  {current.result}" if current.result else ""
    err.print(f"[green]✓[/green] {label:<32} [dim]{time.monotonic() - began:5.1f} s{result}[/dim]")
