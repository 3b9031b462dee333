"""What a person sees: data goes to stdout, everything else to stderr."""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from textwrap import TextWrapper

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
    exit_code
        With which the command ends.
    """

    def __init__(
        self, message: str, *, remedy: str | None = None, detail: str | None = None, exit_code: int = 1
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.detail = detail
        self.exit_code = exit_code


def report(error: CliError) -> None:
    """Print a failure to stderr: evidence first, so that the sentence is last and is seen."""
    if error.detail:
        err.print(Text(error.detail.rstrip(), style="dim"), soft_wrap=True)
    err.print(Text("✗ ", style="bold red").append(_wrapped(error.message), style="bold"), soft_wrap=True)
    if error.remedy:
        err.print(Text("  " + _wrapped(error.remedy)), soft_wrap=True)


def _wrapped(text: str) -> str:
    """Wrap lines between words only: a path or an address stays whole, so that it can be copied."""
    wrap = TextWrapper(err.width - 2, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrap.fill(line) for line in text.splitlines())


def write(file: Path, text: str) -> None:
    """Write a file that the operator asked for.

    Raises
    ------
    CliError
        When it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CliError(f"{file} cannot be written: {reason}.", remedy="Name another file.") from error


def printable(text: str) -> str:
    """Return text of others without what a terminal obeys, such as escape sequences."""
    return "".join(each if each.isprintable() or each in "\n\t" else repr(each)[1:-1] for each in text)


def write_line(text: str) -> None:
    """Print data as it is: Rich expands tabs, wraps lines, and takes `:smile:` for a face."""
    try:
        print(text, file=out.file, flush=True)
    except BrokenPipeError:
        out.on_broken_pipe()


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log, or an empty string when it does not exist."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


@dataclass
class Phase:
    """A running phase; `note` says what it is doing now and `result` how it ended."""

    label: str
    result: str = ""
    _status: Status | None = field(default=None, repr=False)

    def note(self, text: str) -> None:
        """Show what the phase is doing now (only on a terminal)."""
        if self._status is not None:
            room = max(10, err.width - len(self.label) - 4)  # one line, so that the next one replaces it
            self._status.update(Text(f"{self.label} ").append(text[:room], style="dim"))


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


def confirm(question: str, *, yes: bool, otherwise: str) -> None:
    """Ask before what cannot be taken back is done.

    Parameters
    ----------
    question
        What is asked.
    yes
        Whether the answer was given already.
    otherwise
        What is said when the answer is no.

    Raises
    ------
    CliError
        When it is no, or there is no terminal to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CliError(f"{otherwise}: there is no terminal to ask.", remedy="Run it with --yes.")
    err.print(f"{question} [y/N] ", end="", markup=False)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CliError(f"{otherwise}.")


_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """Return a time such as ``90m``, ``1h`` or ``2d``.

    Raises
    ------
    CliError
        When it is none.
    """
    given = re.fullmatch(r"([1-9]\d{0,3})([mhd])", text)
    if given is None:
        raise CliError(f"--since {text} is no time: give minutes, hours or days, as in 90m, 1h or 2d.")
    return timedelta(**{_UNITS[given[2]]: int(given[1])})
