"""The servers behind the embedded AWS."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops.status.look import Look
from ops.status.part import Part


@dataclass(frozen=True, kw_only=True)
class Servers(Part):
    """What should run on this machine and does not."""

    items: Sequence[str]

    def problems(self) -> Iterator[str]:
        """Yield each that does not run."""
        yield from self.items

    def lines(self) -> Iterator[str]:
        """Yield each that does not run."""
        yield from self.items


def read(look: Look) -> Servers | None:
    """Return what does not run; None when everything does."""
    problems = look.environment.problems()
    return Servers(items=problems) if problems else None
