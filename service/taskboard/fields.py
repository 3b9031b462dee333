"""Kinds of text that the API takes."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from taskboard.passwords import normalised


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
# Without a constraint pydantic lets half of a surrogate pair through, which no encoding can write.
Unchecked = Annotated[str, StringConstraints(max_length=1024)]


def _long_enough(password: str) -> str:
    if not MIN_PASSWORD <= len(normalised(password)) <= MAX_PASSWORD:
        raise ValueError(f"must have {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    return password


# NIST SP 800-63B-4, 3.1.1.2: 15 characters where there is no second factor, counted once they are normalised,
# and no rule of composition; at least 64 are allowed. The upper bound keeps hashing cheap.
MIN_PASSWORD, MAX_PASSWORD = 15, 256
Password = Annotated[
    Unchecked,
    AfterValidator(_long_enough),
    Field(json_schema_extra={"minLength": MIN_PASSWORD, "maxLength": MAX_PASSWORD}),
]
