"""Words of our own for what AWS has words for, and idioms that a reader must translate, do not come back."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (
    ".ci",
    "config",
    "constructs",
    "contract",
    "docs",
    "lambdas",
    "ops",
    "sandbox",
    "service",
    "stacks",
    "tests",
    "tools",
)
PAGES = ("CONTRIBUTING.md", "README.md", "SECURITY.md", "app.py", "gantry", "pyproject.toml")
SUFFIXES = {"", ".css", ".json", ".md", ".py", ".sql", ".toml", ".txt"}
# What is not written, and what is.
WORDS = {
    "edges?": "load balancer, ingress, firewall, connection",
    "doors?": "load balancer",
    "(leads?|led|leading)[ _]to": "route to, alias of",
    "terminators?": "TLS proxy",
    "hears?|heard": "is notified, gets",
    "rings|rang": "enters ALARM",
    "tells?|told|telling": "say, show, report, notify, return",
    "wakes": "notifies, calls, resumes",
    "look(s|ed|ing)?[ _]after": "reconcile",
    "settled?|settles|settling|unsettled": "reconciled, stable",
    "unretired": "previous credential active",
    "whoever": "who, anyone who",
    "nobody|anybody|somebody": "no one, anyone, someone",
    "anew": "again",
    "beside": "next to",
    "for[ _]ever": "permanently",
    "stands?|stood|standing": "is",
    "rehears(e|es|ed|als?)": "an environment deployed to the sandbox",
    "data[ _]?planes?": "backing servers",
    "haste": "at once, within the write window",
}
WORD = re.compile("|".join(f"(?<![a-z@])({word})(?![a-z])" for word in WORDS), re.IGNORECASE)
# A user of Unix, a method of Python's files, and a folder of tests.
ALLOWED = re.compile(r"[\"'\[]nobody[\"']|\.tell\(\)|stand[-_]ins?\b")


def files() -> Iterator[Path]:
    """Yield every file that people read."""
    folders = (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")))
    for path in (*folders, *(ROOT / page for page in PAGES)):
        written = path.suffix in SUFFIXES and path.is_file() and path != Path(__file__)
        # A migration that was applied somewhere never changes again.
        if written and not {".venv", "__pycache__", "migrations"} & set(path.parts):
            yield path


def words(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text that have one of the words, by number, and the word."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in WORD.finditer(ALLOWED.sub("", line)):
            yield number, found.group()


def test_no_file_has_a_word_of_our_own_for_what_aws_names() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in files()
        for line, word in words(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found, "\n".join(
        [*found, "Use instead:", *(f"{one}: {other}" for one, other in WORDS.items())]
    )


@pytest.mark.parametrize(
    "text", ["Wakes nobody.", "test_topic_is_told", "the Edge", "EDGE_PORTS", "it stands for"]
)
def test_words_are_found_in_sentences_and_in_names(text: str) -> None:
    assert list(words(text))


@pytest.mark.parametrize(
    "text", ["knowledge", "Lambda@Edge", 'user="nobody"', "file.tell()", "a standby", "the ledger"]
)
def test_words_are_not_found_within_others(text: str) -> None:
    assert not list(words(text))
