"""Measures of the map that its parts share."""

from dataclasses import dataclass

from ops.architecture import svg
from ops.architecture.model import Map

WIDTH = 1280.0
MARGIN = 24.0
PADDING = 14.0
LINE = 15.0
SMALL = 11.0
BODY = 12.0
LABEL_WIDTH = 178.0
COLUMNS = 3
COLUMN_WIDTH = 194.0
COLUMN_GAP = 10.0
CARDS_X = MARGIN + LABEL_WIDTH
BAND_RIGHT = CARDS_X + COLUMNS * COLUMN_WIDTH + (COLUMNS - 1) * COLUMN_GAP + 10
LANES_X = BAND_RIGHT + 14
LANE_WIDTH = 16.0


@dataclass(frozen=True)
class Frame:
    """What depends on the layers: their colours, a lane for each that gives something, where uses stand."""

    tones: dict[str, int]
    lanes: dict[str, float]
    uses_x: float

    @classmethod
    def of(cls, picture: Map) -> "Frame":
        """Return the frame of a map."""
        producers = {use.producer for layer in picture.layers for use in layer.uses}
        ordered = [layer.name for layer in picture.layers if layer.name in producers]
        return cls(
            tones={layer.name: index % svg.LAYER_COLOURS for index, layer in enumerate(picture.layers)},
            lanes={name: LANES_X + index * LANE_WIDTH for index, name in enumerate(ordered)},
            uses_x=LANES_X + len(ordered) * LANE_WIDTH + 16,
        )
