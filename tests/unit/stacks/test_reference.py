import re
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


def test_contract_names_the_time_to_start_as_it_is() -> None:
    contract = (PAGE.parent / "service-contract.md").read_text()
    (row,) = [line for line in reference().splitlines() if line.startswith("| `start_seconds`")]
    default, least, most = re.findall(r"\d+", row.replace(",", ""))[:3]
    assert f"**Starts within `ecs.start_seconds`** ({default}; {least} to {int(most):,})" in contract
