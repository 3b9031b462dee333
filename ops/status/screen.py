"""What `./gantry status` prints, as a screen and as JSON, of the same data."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from rich.text import Text

from ops.console import out, printable, write_line
from ops.status.part import Part, State, abridged, moment

_LABEL = 15  # columns
_COLOURS = {State.OK: "green", State.FAILED: "red", State.UNKNOWN: "yellow"}


class Verdict(StrEnum):
    """How an environment is; healthy only when everything could be read."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


_SIGNS = {
    Verdict.HEALTHY: ("✓", "green"),
    Verdict.UNHEALTHY: ("✗", "red"),
    Verdict.UNKNOWN: ("?", "yellow"),
}


@dataclass(frozen=True, kw_only=True)
class Status:
    """The parts of an environment by name, as they were at a time."""

    environment: str
    at: datetime
    parts: Mapping[str, Part]

    @property
    def verdict(self) -> Verdict:
        """What all parts come to."""
        states = {part.state for part in self.parts.values()}
        if State.FAILED in states:
            return Verdict.UNHEALTHY
        return Verdict.UNKNOWN if State.UNKNOWN in states else Verdict.HEALTHY

    @property
    def reasons(self) -> list[str]:
        """Why it is not healthy."""
        return [
            f"{name.replace('_', ' ')}: {reason}"
            for name, part in self.parts.items()
            for reason in _why(part)
        ]

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it; docs/operations.md describes each field."""
        parts = {
            name: {"state": part.state, "reasons": list(_why(part)), **asdict(part)}
            for name, part in self.parts.items()
        }
        head = {
            "environment": self.environment,
            "at": self.at,
            "verdict": self.verdict,
            "reasons": self.reasons,
        }
        return head | parts


def _why(part: Part) -> Iterator[str]:
    yield from part.problems()
    yield from (f"unknown: {reason}" for reason in part.unknown())


def print_json(status: Status, *, redraw: bool) -> None:
    """Print a document; one of several is a line."""
    text = json.dumps(status.document(), default=_as_json, indent=None if redraw else 2)
    write_line(text)


def _as_json(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    raise TypeError(f"{type(value)} is not data")


def print_screen(status: Status, *, redraw: bool) -> None:
    """Print a screen; on a terminal it takes the place of the one before."""
    if redraw and out.is_terminal:
        out.clear()
    sign, colour = _SIGNS[status.verdict]
    verdict = {Verdict.UNKNOWN: "may be healthy or not"}.get(status.verdict, status.verdict.value)
    _print(Text(f"{sign} {status.environment} is {verdict}  ({moment(status.at)})", style=f"bold {colour}"))
    for reason in status.reasons:
        _print(Text(_wrapped(reason, "  "), style=colour))
    for name, part in status.parts.items():
        label = f"{name.replace('_', ' ').capitalize():<{_LABEL}}"
        lines = "\n".join(_wrapped(line, " " * _LABEL) for line in part.lines())
        _print(Text(label, style=_COLOURS[part.state]).append(lines[_LABEL:], style="default"))


def _wrapped(line: str, indent: str) -> str:
    """Wrap a line between words: an address stays whole, so that it can be copied."""
    return textwrap.fill(
        abridged(printable(line)),
        out.width,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _print(text: Text) -> None:
    out.print(text, soft_wrap=True)
