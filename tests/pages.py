"""Reads the pages of documentation: their headings, links, inline code and commands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SHELLS = {"console", "sh", "bash"}
# What ends a command within a line of shell.
_SEPARATORS = {"|", "&&", "||", ";", "\0", "do", "done"}


def prose(page: Path) -> str:
    """Return a page's text without its blocks of code."""
    return _FENCED.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and others make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(
            next(name for name in (anchor, *(f"{anchor}-{n}" for n in range(1, 99))) if name not in found)
        )
    return found


def links(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links that stay in the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "``", prose(page))):
        if not re.match(r"[a-z]+:", target):
            yield target


def inline_code(page: Path) -> Iterator[str]:
    """Yield what is between backticks, in one line."""
    for code in re.findall(r"`([^`]+)`", prose(page)):
        yield " ".join(code.split())


def commands(page: Path, program: str) -> Iterator[list[str]]:
    """Yield the words that follow a program's name in each of its commands: in shell blocks, then inline."""
    for _, language, block in _FENCED.findall(page.read_text()):
        if language in _SHELLS:
            yield from _commands(_words(block), program)
    for code in inline_code(page):
        if code.startswith(f"{program} "):
            yield from _commands(_words(code), program)


def _words(text: str) -> list[str]:
    """Return the words of shell text, with "\0" for a line's end outside of quotes."""
    text = re.sub(r"\s# .*$", "", text, flags=re.MULTILINE)
    lexer = shlex.shlex(text.replace("\\\n", " ").replace("\n", " \0 "), posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    return [word if word == "\0" else word.replace("\0", " ") for word in lexer]


def _commands(words: list[str], program: str) -> Iterator[list[str]]:
    command: list[str] | None = None
    for word in [*words, "\0"]:
        begins = re.sub(r"^(\w+=)?(\$\()?", "", word) == program
        if begins or word in _SEPARATORS:
            if command:
                yield command
            command = [] if begins else None
        elif command is not None:
            command.append(word.rstrip(";").removesuffix(")") if "(" not in word else word)
