"""The picture: readable, whole, and the same bytes for the same templates."""

import itertools
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ops.architecture import drawing, model, require_current
from ops.architecture.frame import WIDTH
from ops.architecture.model import Group, Item, Layer, Map, Use
from ops.architecture.request_path import Step
from ops.architecture.text import width, wrap
from ops.architecture.vocabulary import Kind
from ops.console import CliError
from tests.unit.ops.assemblies import assembly, resource, stack

SVG = "{http://www.w3.org/2000/svg}"


def crowded() -> Map:
    """A platform with more of everything than Gantry has."""
    items = tuple(
        Item(f"{n} quite long resources", "one, two, three, four, five, six", Kind.DATA) for n in range(3)
    )
    names = [f"Layer{n}" for n in range(9)]
    layers = tuple(
        Layer(
            name=name,
            description="all that a layer of this kind could be described as, and more",
            other_region="eu-central-1" if number % 2 else "",
            groups=tuple(Group(f"Construct {n}", items[: n % 3 + 1]) for n in range(number)),
            uses=tuple(Use(other, ("secrets: " + "database, " * 20,)) for other in names[:number]),
            resources=number,
        )
        for number, name in enumerate(names)
    )
    way = tuple(Step("load balancer", "HTTPS 443, " * 5, "Layer0") for _ in range(4))
    return Map("prod & more", way, layers)


def shapes(svg: str, tag: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(SVG + tag))


def box(element: ElementTree.Element) -> tuple[float, float, float, float]:
    x, y, wide, high = (float(element.get(name, "0")) for name in ("x", "y", "width", "height"))
    return x, y, x + wide, y + high


@pytest.mark.parametrize("surface", ["card", "band"])
def test_boxes_of_one_kind_never_overlap(surface: str) -> None:
    boxes = [box(each) for each in shapes(drawing.render(crowded()), "rect") if each.get("class") == surface]
    assert len(boxes) > 8
    for (left, top, right, bottom), (x1, y1, x2, y2) in itertools.combinations(boxes, 2):
        assert right <= x1 or x2 <= left or bottom <= y1 or y2 <= top


def test_everything_stands_inside_the_picture() -> None:
    svg = drawing.render(crowded())
    high = float(ElementTree.fromstring(svg).get("height", "0"))
    for each in shapes(svg, "text"):
        size = float(each.get("font-size", "0"))
        assert float(each.get("x", "0")) + width(each.text or "", size) <= WIDTH
        assert size <= float(each.get("y", "0")) <= high
    for left, top, right, bottom in map(box, shapes(svg, "rect")):
        assert left >= 0
        assert top >= 0
        assert right <= WIDTH
        assert bottom <= high


def test_each_use_has_its_arrow() -> None:
    picture = crowded()
    uses = sum(len(layer.uses) for layer in picture.layers)
    ways = len(picture.request_path)
    assert len(shapes(drawing.render(picture), "path")) == uses + ways


def test_text_is_escaped() -> None:
    heading = next(each for each in shapes(drawing.render(crowded()), "text"))
    assert heading.text == "The prod & more environment: 9 layers, one direction"


def test_same_templates_give_the_same_bytes(tmp_path: Path) -> None:
    stacks = {
        "State": stack(*(resource("AWS::KMS::Key", f"State/Keys/{n}/Resource") for n in "CAB")),
        "Data": stack(resource("AWS::RDS::DBCluster", "Data/Cluster/Resource"), depends_on=("State",)),
    }
    first = drawing.render(model.of(assembly(tmp_path, **stacks)))
    assert first == drawing.render(model.of(assembly(tmp_path, **stacks)))
    assert first != drawing.render(model.of(assembly(tmp_path, State=stacks["State"])))


def test_colours_follow_the_readers_scheme() -> None:
    (style,) = shapes(drawing.render(crowded()), "style")
    light, _, dark = (style.text or "").partition("@media(prefers-color-scheme:dark)")
    for each in ("page", "band", "card", "ink", "soft", *Kind):
        assert f".{each}{{fill:" in light
        assert f".{each}{{fill:" in dark


def test_lines_are_no_wider_than_asked_unless_a_word_is() -> None:
    lines = list(wrap("a few words and onewordthatissimplytoolong here", 12, 80))
    assert " ".join(lines) == "a few words and onewordthatissimplytoolong here"
    assert all(width(line, 12) <= 80 or " " not in line for line in lines)


def test_stale_or_missing_picture_is_refused_with_the_remedy(tmp_path: Path) -> None:
    picture = tmp_path / "map.svg"
    with pytest.raises(CliError, match=r"map\.svg is missing") as raised:
        require_current(picture, "<svg/>", environment="dev")
    assert raised.value.remedy == "Run `./gantry map -e dev` and commit the picture."
    picture.write_text("<svg>old</svg>")
    with pytest.raises(CliError, match=r"map\.svg is stale"):
        require_current(picture, "<svg/>", environment="dev")
    picture.write_text("<svg/>")
    require_current(picture, "<svg/>", environment="dev")
