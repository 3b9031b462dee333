"""What a check finds, and what a check is."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from ops.checks.context import Context


class Outcome(StrEnum):
    """How a check ended; what could not be found out is not well."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    ABSENT = "absent"  # of a machine alone: what only some commands need


@dataclass(frozen=True)
class Result:
    """What a check found.

    Attributes
    ----------
    name
        What was looked at.
    outcome
        How it is.
    evidence
        One sentence with the value that was found.
    remedy
        What to do, where anything is to be done.
    """

    name: str
    outcome: Outcome
    evidence: str
    remedy: str = ""


def ok(name: str, evidence: str) -> Result:
    """Return that something is as it should be."""
    return Result(name, Outcome.OK, evidence)


def failed(name: str, evidence: str, remedy: str) -> Result:
    """Return that something is not as it should be, and what to do."""
    return Result(name, Outcome.FAILED, evidence, remedy)


def unknown(name: str, evidence: str, remedy: str = "") -> Result:
    """Return that it cannot be found out how something is, and why."""
    return Result(name, Outcome.UNKNOWN, evidence, remedy)


def absent(name: str, evidence: str, remedy: str) -> Result:
    """Return that something is not there that only some commands need, and how to get it."""
    return Result(name, Outcome.ABSENT, evidence, remedy)


AnyContext = TypeVar("AnyContext", bound=Context)
AnyContext_contra = TypeVar("AnyContext_contra", bound=Context, contravariant=True)


@dataclass(frozen=True)
class Check(Generic[AnyContext_contra]):
    """A check of a checklist.

    Attributes
    ----------
    name
        What it looks at.
    find
        Yields what it finds; nothing where the environment has none of it.
    asks_aws
        Whether it needs credentials.
    """

    name: str
    find: Callable[[AnyContext_contra], Iterator[Result]]
    asks_aws: bool = True


@dataclass(frozen=True)
class Line(Generic[AnyContext_contra]):
    """A line of a checklist, and the checks that it takes."""

    title: str
    checks: Sequence[Check[AnyContext_contra]]


@dataclass(frozen=True)
class Checked:
    """A line of a checklist that was checked."""

    title: str
    results: Sequence[Result]


def overall(results: Iterable[Result]) -> Outcome:
    """Return how everything is together: as the worst of it."""
    outcomes = {result.outcome for result in results}
    return next((each for each in (Outcome.FAILED, Outcome.UNKNOWN) if each in outcomes), Outcome.OK)
