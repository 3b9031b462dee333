"""Kinds of text that the API takes."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from taskboard.passwords import normalised

# Unicode's explicit directional formatting characters (UAX #9, 2).
_DIRECTIONS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
# A name may have some of these, and needs another: what only formats, spaces, and marks on a character.
_INVISIBLE = frozenset({"Cf", "Zs", "Mn", "Me"})
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and symbols that look like a space


def _readable(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    for character in text:
        # PostgreSQL takes no NUL in a text, and no one means the others, nor a second line.
        if unicodedata.category(character) in {"Cc", "Zl", "Zp"}:
            raise ValueError("must not contain control characters")
        if unicodedata.bidirectional(character) in _DIRECTIONS:
            raise ValueError("must not change the direction of the text around it")
    if all(unicodedata.category(each) in _INVISIBLE or each in _BLANK for each in text):
        raise ValueError("must be visible")
    return text


def _without_format(text: str) -> str:
    # An address that looks like another one.
    if any(unicodedata.category(character) == "Cf" for character in text):
        raise ValueError("must not contain invisible characters")
    return text


Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_readable)
]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$"),
    AfterValidator(_readable),
    AfterValidator(_without_format),
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
