"""Passwords that an attacker would try first.

NIST SP 800-63B-4, 3.1.1.2, wants a list of commonly used, expected and compromised passwords. This is no such
list: it knows what is expected of this service, repetitions and sequences. What else is on the public lists
and has 15 characters or more is rare, and wrong passwords are limited. A service with much to
lose asks a list of breached passwords as well, such as the one of Have I Been Pwned.
"""

import re
import unicodedata
from itertools import pairwise

_EXPECTED = ("password", "taskboard", "gantry")
# In the order of the alphabet and of keys; some go down the columns of a keyboard.
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789012345678901234567890",
    "qwertyuiopasdfghjklzxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "1q2w3e4r5t6y7u8i9o0p",
)
_FOLLOWING = frozenset(pair for row in _ROWS for way in (row, row[::-1]) for pair in pairwise(way))
_SURPRISES = 5  # characters, at least, that do not follow from the one before


def is_guessable(password: str, email: str) -> bool:
    """Return whether a password is made of what is expected, of one repetition, or of sequences.

    Parameters
    ----------
    password
        What a person wants to use.
    email
        Their address, which is expected as well, and so is each long part of it.
    """
    rest = _plain(password)
    parts = [email, email.partition("@")[0], *(part for part in re.split(r"\W", email) if len(part) > 3)]
    words = {*_EXPECTED, *map(_plain, parts)}
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    if any(rest[length:] == rest[:-length] for length in range(1, len(rest) // 2 + 1)):
        return True
    surprises = sum(one != other and (one, other) not in _FOLLOWING for one, other in pairwise(f" {rest}"))
    return surprises < _SURPRISES


def _plain(text: str) -> str:
    # Who guesses tries capitals and the usual separators, too.
    return re.sub(r"[\s._-]", "", unicodedata.normalize("NFKC", text).casefold())
