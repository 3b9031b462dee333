"""Kinds of text that the API takes."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints


def _printable(text: str) -> str:
    # PostgreSQL takes no NUL in a text, and nobody means the others.
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError("must not contain control characters")
    return text


Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_printable)
]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$"),
    AfterValidator(_printable),
]
# NIST SP 800-63B asks for length and for nothing else; the upper bound keeps hashing cheap.
Password = Annotated[str, StringConstraints(min_length=12, max_length=256)]
# Without a constraint pydantic lets half of a surrogate pair through, which no encoding can write.
Unchecked = Annotated[str, StringConstraints(max_length=1024)]
