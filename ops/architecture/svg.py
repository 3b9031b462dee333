"""A small SVG writer: shapes carry classes, and one style sheet has the colours of light and dark."""

from html import escape
from itertools import chain

from ops.architecture.vocabulary import Kind

FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"

_LIGHT = {
    "page": "#ffffff",
    "band": "#f5f7fa",
    "card": "#ffffff",
    "edge": "#cfd7e0",
    "ink": "#17212b",
    "soft": "#55636f",
}
_DARK = {
    "page": "#0f151b",
    "band": "#18212a",
    "card": "#212c37",
    "edge": "#3a4754",
    "ink": "#eaf0f5",
    "soft": "#a4b2bf",
}
_LAYERS_LIGHT = ("#2f6fb3", "#17826f", "#a96a12", "#b5403a", "#7249b0", "#46626f", "#4d7f2a", "#a63e77")
_LAYERS_DARK = ("#6fb0f0", "#48c3ab", "#e3a84a", "#f0837a", "#b495ee", "#9bbac9", "#93cc68", "#ea87ba")
_KINDS_LIGHT = ("#7a5cc7", "#cf7420", "#2f74c0", "#c8443a", "#3c8f5a")
_KINDS_DARK = ("#a893f0", "#f0a052", "#6fb0f0", "#f0837a", "#6cc98e")

LAYER_COLOURS = len(_LAYERS_LIGHT)


def _rules(tones: dict[str, str], layers: tuple[str, ...], kinds: tuple[str, ...]) -> str:
    surfaces = (
        f".page{{fill:{tones['page']}}}",
        f".band{{fill:{tones['band']};stroke:{tones['edge']}}}",
        f".card{{fill:{tones['card']};stroke:{tones['edge']}}}",
        f".ink{{fill:{tones['ink']}}}",
        f".soft{{fill:{tones['soft']}}}",
        f".soft-line{{stroke:{tones['soft']}}}",
        f".halo{{stroke:{tones['page']}}}",
    )
    layer_rules = chain.from_iterable(
        (f".f{i}{{fill:{c}}}", f".s{i}{{stroke:{c}}}") for i, c in enumerate(layers)
    )
    kind_rules = (f".{kind}{{fill:{colour}}}" for kind, colour in zip(Kind, kinds, strict=True))
    return "".join(chain(surfaces, layer_rules, kind_rules))


def style() -> str:
    """Return the style sheet; a reader's dark mode gets its own colours."""
    light = _rules(_LIGHT, _LAYERS_LIGHT, _KINDS_LIGHT)
    dark = _rules(_DARK, _LAYERS_DARK, _KINDS_DARK)
    return f"<style>{light}@media(prefers-color-scheme:dark){{{dark}}}</style>"


def number(value: float) -> str:
    """Return a coordinate without needless digits."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, content: str, *, size: float, tone: str = "ink", bold: bool = False) -> str:
    """Return a line of text; `y` is its baseline."""
    weight = ' font-weight="600"' if bold else ""
    place = f'x="{number(x)}" y="{number(y)}" font-size="{number(size)}"'
    return f'<text {place} class="{tone}"{weight}>{escape(content)}</text>'


def rect(x: float, y: float, wide: float, high: float, *, tone: str, radius: float = 0) -> str:
    """Return a rectangle."""
    rounded = f' rx="{number(radius)}"' if radius else ""
    size = f'x="{number(x)}" y="{number(y)}" width="{number(wide)}" height="{number(high)}"'
    return f'<rect {size}{rounded} class="{tone}"/>'


def circle(x: float, y: float, radius: float, *, tone: str) -> str:
    """Return a filled circle."""
    return f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" class="{tone}"/>'


def line(x1: float, y1: float, x2: float, y2: float, *, tone: str, thick: float) -> str:
    """Return a straight line."""
    ends = f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"'
    return f'<line {ends} class="{tone}" stroke-width="{number(thick)}"/>'


def arrow_tip(x: float, y: float, *, tone: str) -> str:
    """Return an arrow head that points right and ends at x, y."""
    back, up, down = number(x - 8), number(y - 4.5), number(y + 4.5)
    return f'<path d="M{back} {up} {number(x)} {number(y)} {back} {down}z" class="{tone}"/>'


def document(wide: float, high: float, *, title: str, description: str, shapes: list[str]) -> str:
    """Return a whole picture, one shape a line so that a change of it reads well in a diff."""
    size = f'viewBox="0 0 {number(wide)} {number(high)}" width="{number(wide)}" height="{number(high)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{FONT}">'
    words = f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>"
    page = rect(0, 0, wide, high, tone="page", radius=14)
    return "\n".join([head, words, style(), page, *shapes, "</svg>", ""])
