"""A layer's band: its name, its constructs as cards, and beside it what it takes from other layers."""

from collections.abc import Iterator
from dataclasses import dataclass

from ops.architecture import svg
from ops.architecture.frame import (
    BAND_RIGHT,
    BODY,
    CARDS_X,
    COLUMN_GAP,
    COLUMN_WIDTH,
    COLUMNS,
    LABEL_WIDTH,
    LINE,
    MARGIN,
    PADDING,
    SMALL,
    WIDTH,
    Frame,
)
from ops.architecture.model import Group, Item, Layer, Map, Use
from ops.architecture.text import wrap

_BETWEEN_BANDS = 14.0
_BETWEEN_CARDS = 8.0
_BETWEEN_USES = 7.0


@dataclass(frozen=True)
class Band:
    """A drawn layer; `taps` are the heights at which its uses stand, by the layer that gives them."""

    layer: Layer
    top: float
    bottom: float
    taps: dict[str, float]
    shapes: list[str]


def draw(picture: Map, frame: Frame, top: float) -> Iterator[Band]:
    """Yield the bands of a map from a height downwards."""
    for index, layer in enumerate(picture.layers):
        band = _band(layer, index, top, frame)
        yield band
        top = band.bottom + _BETWEEN_BANDS


def _band(layer: Layer, index: int, top: float, frame: Frame) -> Band:
    inner = top + PADDING
    tone = f"f{frame.tones[layer.name]}"
    label, label_bottom = _label(layer, index, inner, tone)
    cards, cards_bottom = _cards(layer, inner)
    uses, uses_bottom, taps = _uses(layer, inner, frame)
    bottom = max(label_bottom, cards_bottom, uses_bottom) + PADDING
    surface = svg.rect(MARGIN, top, BAND_RIGHT - MARGIN, bottom - top, tone="band", radius=10)
    edge = svg.rect(MARGIN, top, 6, bottom - top, tone=tone, radius=3)
    return Band(layer, top, bottom, taps, [surface, edge, *label, *cards, *uses])


def _label(layer: Layer, index: int, top: float, tone: str) -> tuple[list[str], float]:
    x, y = MARGIN + 20, top + 16
    shapes = [svg.text(x, y, f"{index + 1}  {layer.name}", size=17, tone=tone, bold=True)]
    for line in wrap(layer.description, BODY, LABEL_WIDTH - 30):
        y += LINE + 2
        shapes.append(svg.text(x, y, line, size=BODY))
    y += LINE + 4
    elsewhere = f" in {layer.other_region}" if layer.other_region else ""
    shapes.append(svg.text(x, y, f"{layer.resources} resources{elsewhere}", size=SMALL, tone="soft"))
    return shapes, y + 4


def _cards(layer: Layer, top: float) -> tuple[list[str], float]:
    """Place each card in the shortest column, as bricks are laid."""
    heights = [top] * COLUMNS
    shapes: list[str] = []
    for group in layer.groups:
        column = min(range(COLUMNS), key=lambda index: heights[index])
        drawn, high = _card(group, CARDS_X + column * (COLUMN_WIDTH + COLUMN_GAP), heights[column])
        shapes += drawn
        heights[column] += high + _BETWEEN_CARDS
    return shapes, max(heights) - (_BETWEEN_CARDS if layer.groups else 0)


def _card(group: Group, x: float, top: float) -> tuple[list[str], float]:
    shapes: list[str] = []
    y = top + 3
    if group.title:
        y += LINE
        shapes.append(svg.text(x + 10, y, group.title, size=BODY + 0.5, bold=True))
    for item in group.items:
        drawn, y = _item(item, x, y)
        shapes += drawn
    high = y + 9 - top
    return [svg.rect(x, top, COLUMN_WIDTH, high, tone="card", radius=7), *shapes], high


def _item(item: Item, x: float, y: float) -> tuple[list[str], float]:
    """Draw an item under the baseline `y` and return its shapes and its last baseline."""
    shapes = [svg.circle(x + 14, y + LINE - 3, 3.5, tone=item.kind)]
    for line in wrap(item.label, BODY, COLUMN_WIDTH - 30):
        y += LINE + 1
        shapes.append(svg.text(x + 23, y, line, size=BODY))
    for line in wrap(item.detail, SMALL, COLUMN_WIDTH - 30):
        y += LINE - 1.5
        shapes.append(svg.text(x + 23, y, line, size=SMALL, tone="soft"))
    return shapes, y


def _uses(layer: Layer, top: float, frame: Frame) -> tuple[list[str], float, dict[str, float]]:
    shapes: list[str] = []
    taps: dict[str, float] = {}
    y = top
    for use in layer.uses:
        taps[use.producer] = y + 8
        drawn, y = _use(use, y, frame)
        shapes += drawn
    return shapes, y - (_BETWEEN_USES if layer.uses else 0), taps


def _use(use: Use, top: float, frame: Frame) -> tuple[list[str], float]:
    x, y = frame.uses_x + 6, top + 12
    shapes = [svg.text(x, y, use.producer, size=BODY, tone=f"f{frame.tones[use.producer]}", bold=True)]
    for resource in use.resources:
        for line in wrap(resource, SMALL, WIDTH - MARGIN - x):
            y += LINE - 1
            shapes.append(svg.text(x, y, line, size=SMALL, tone="soft"))
    return shapes, y + 5 + _BETWEEN_USES
