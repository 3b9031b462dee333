"""How wide text is, without a font: the same answer on every machine."""

from collections.abc import Iterator

# Thousandths of the font size, after DejaVu Sans: the widest of the fonts that a system is likely to show.
_NARROW = dict.fromkeys("iljI.,:;|!'", 310) | dict.fromkeys("ft()[]/ -r", 390)
_WIDE = dict.fromkeys("mMW@%", 960) | dict.fromkeys("wABCDEGHKNOPQRSUVXY&", 740)
_WIDTHS = _NARROW | _WIDE
_OTHER = 610


def width(text: str, size: float) -> float:
    """Return the width of a text in pixels at a font size in pixels."""
    return sum(_WIDTHS.get(letter, _OTHER) for letter in text) * size / 1000


def wrap(text: str, size: float, available: float) -> Iterator[str]:
    """Yield lines no wider than `available` pixels; a word that is wider stands alone."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and width(longer, size) > available:
            yield line
            line = word
        else:
            line = longer
    if line:
        yield line
