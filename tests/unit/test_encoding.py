"""Text files are UTF-8, whatever the user's locale is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READERS = {"read_text", "write_text"}


def calls_without_encoding(source: str) -> Iterator[int]:
    """Yield the lines that read or write a text file in the locale's encoding."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        named = {keyword.arg for keyword in node.keywords}
        if node.func.attr in READERS and "encoding" not in named and "utf-8" not in ast.unparse(node):
            yield node.lineno


@pytest.mark.parametrize("folder", ["contract", "ops", "tools", "stacks", "constructs"])
def test_every_file_is_read_as_utf8(folder: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line in calls_without_encoding(file.read_text(encoding="utf-8"))
    ]
    assert found == []
