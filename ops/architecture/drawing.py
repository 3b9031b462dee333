"""Puts the map together: heading, the way of a request, the layers' bands, the lanes between them."""

from collections.abc import Iterator, Sequence

from ops.architecture import bands, svg
from ops.architecture.bands import Band
from ops.architecture.frame import BAND_RIGHT, BODY, LANES_X, LINE, MARGIN, SMALL, WIDTH, Frame
from ops.architecture.model import Map
from ops.architecture.request_path import Step
from ops.architecture.text import width, wrap
from ops.architecture.vocabulary import Kind

_HEADING_BOTTOM = 58.0
_FIRST = ("Internet", "a request comes in")
_STEP_HEIGHT = 48.0
_STEP_GAP = 44.0
_STROKE = 1.8


def render(picture: Map) -> str:
    """Return the map as an SVG document."""
    frame = Frame.of(picture)
    path, top = _request_path(picture.request_path, frame, _HEADING_BOTTOM)
    shapes = [*_heading(picture), *path, *_column_heads(top + 18)]
    drawn = list(bands.draw(picture, frame, top + 30))
    for band in drawn:
        shapes += band.shapes
    shapes += _lanes(drawn, frame)
    bottom = (drawn[-1].bottom if drawn else top) + 28
    shapes += _footer(picture, bottom)
    names = ", ".join(layer.name for layer in picture.layers)
    return svg.document(
        WIDTH,
        bottom + 22,
        title=f"Architecture of the {picture.environment} environment",
        description=f"Layers in deployment order: {names}. Arrows: what one takes of another.",
        shapes=shapes,
    )


def _heading(picture: Map) -> Iterator[str]:
    count = f"{len(picture.layers)} layers, one direction"
    yield svg.text(MARGIN, 38, f"The {picture.environment} environment: {count}", size=21, bold=True)


def _column_heads(y: float) -> Iterator[str]:
    line = "A layer is one CloudFormation stack; it uses only what stands above it."
    yield svg.text(MARGIN, y, line, size=BODY, tone="soft")
    yield svg.text(LANES_X - 4, y, "What a layer takes from those above", size=BODY, tone="soft")


def _request_path(steps: Sequence[Step], frame: Frame, top: float) -> tuple[list[str], float]:
    """Draw the stations of a request from left to right, and return them with their lower edge."""
    if not steps:
        return [], top
    wide = (WIDTH - 2 * MARGIN - len(steps) * _STEP_GAP) / (len(steps) + 1)
    details = [list(wrap(detail, SMALL, wide - 24)) for detail in (_FIRST[1], *(s.detail for s in steps))]
    high = _STEP_HEIGHT + (max(map(len, details)) - 1) * (LINE - 1)
    shapes = _station(_FIRST[0], details[0], MARGIN, top, wide=wide, high=high)
    for index, step in enumerate(steps, start=1):
        x, middle = MARGIN + index * (wide + _STEP_GAP), top + high / 2
        shapes += _station(step.label, details[index], x, top, wide=wide, high=high)
        shapes.append(svg.rect(x, top, 5, high, tone=f"f{frame.tones[step.layer]}", radius=2.5))
        if step.beside_previous:
            shapes.append(svg.text(x - _STEP_GAP / 2 - 6, middle + 6, "+", size=17, tone="soft", bold=True))
        else:
            shapes.append(svg.line(x - _STEP_GAP + 6, middle, x - 8, middle, tone="soft-line", thick=_STROKE))
            shapes.append(svg.arrow_tip(x - 5, middle, tone="soft"))
    return shapes, top + high + 16


def _station(
    label: str, detail: Sequence[str], x: float, top: float, *, wide: float, high: float
) -> list[str]:
    shapes = [svg.rect(x, top, wide, high, tone="band", radius=8)]
    shapes.append(svg.text(x + 16, top + 20, label[:1].upper() + label[1:], size=13, bold=True))
    for index, line in enumerate(detail):
        shapes.append(svg.text(x + 16, top + 37 + index * (LINE - 1), line, size=SMALL, tone="soft"))
    return shapes


def _lanes(drawn: Sequence[Band], frame: Frame) -> Iterator[str]:
    """Draw a lane down from each layer that gives something, and an arrow to each layer that takes it."""
    by_name = {band.layer.name: band for band in drawn}
    for producer, x in frame.lanes.items():
        start = by_name[producer].bottom - 18
        end = max(band.taps[producer] for band in drawn if producer in band.taps)
        tone = frame.tones[producer]
        yield svg.line(x, start, x, end, tone=f"s{tone}", thick=_STROKE)
        yield svg.line(BAND_RIGHT + 4, start, x, start, tone="halo", thick=6)
        yield svg.line(BAND_RIGHT, start, x, start, tone=f"s{tone}", thick=_STROKE)
        yield svg.circle(BAND_RIGHT, start, 3.5, tone=f"f{tone}")
    for band in drawn:
        for producer, y in band.taps.items():
            x, tone = frame.lanes[producer], frame.tones[producer]
            yield svg.line(x + 3, y, frame.uses_x - 4, y, tone="halo", thick=6)
            yield svg.line(x, y, frame.uses_x - 4, y, tone=f"s{tone}", thick=_STROKE)
            yield svg.arrow_tip(frame.uses_x, y, tone=f"f{tone}")


def _footer(picture: Map, y: float) -> Iterator[str]:
    x = MARGIN + 4
    for kind in Kind:
        yield svg.circle(x, y - 4, 4, tone=kind)
        yield svg.text(x + 10, y, kind, size=BODY, tone="soft")
        x += width(kind, BODY) + 34
    total = sum(layer.resources for layer in picture.layers)
    line = f"{total} resources. Drawn by ./gantry map from the templates."
    yield svg.text(LANES_X - 4, y, line, size=BODY, tone="soft")
