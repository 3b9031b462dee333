from pathlib import Path

from stacks.settings import keys
from stacks.settings.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def test_page_of_settings_is_up_to_date() -> None:
    assert PAGE.read_text() == reference(), "run `python -m stacks.settings --markdown > docs/settings.md`"


def test_page_has_every_setting_below_its_section() -> None:
    section, found = "", []
    for line in reference().splitlines():
        if line.startswith("## `["):
            section = line[5:-2] + "."
        elif line.startswith("| `"):
            found.append(section + line.split("`")[1])
    assert sorted(found) == sorted(keys())


def test_page_says_what_may_be_and_what_is_by_default() -> None:
    assert "| `min_capacity` | `2` | a whole number from 1 to 1000 | Fewest tasks. |" in reference()
