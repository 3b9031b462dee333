"""What the stacks offer is used: references by a later layer, outputs by a command or a page."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STACKS = {file.name: file.read_text() for file in (ROOT / "stacks").glob("*.py")}
TEXT = "".join(STACKS.values())
# What the role with which a pipeline writes its entries will use.
NOT_YET = {"assembly_bucket", "ledger", "repository"}
# What a layer calls those that hand something on.
EARLIER = r"(?:state|network|data|compute|security|observability|recovery|restore_tests|refs)"


def references() -> set[str]:
    """Return the fields of what layers hand on."""
    classes = re.findall(r"^class \w+Refs:\n(.*?)(?=^\S)", TEXT, re.MULTILINE | re.DOTALL)
    return {name for body in classes for name in re.findall(r"^    (\w+): ", body, re.MULTILINE)}


def outputs() -> set[str]:
    """Return the names of stacks' outputs."""
    together = re.findall(r"for name, value in \{(.*?)\n        \}\.items", TEXT, re.DOTALL)
    alone = re.findall(r"CfnOutput\(self, \"(\w+)\"", TEXT)
    return {*alone, *re.findall(r"^ +\"(\w+)\":", "".join(together), re.MULTILINE)}


def test_there_is_something_to_look_at() -> None:
    assert {"alert_topic", "vpc", "cluster"} <= references()
    assert {"ServiceUrl", "ClusterIdentifier", "DashboardName"} <= outputs()


@pytest.mark.parametrize("name", sorted(references()))
def test_reference_is_read_by_a_later_layer(name: str) -> None:
    read = re.search(rf"\b_?{EARLIER}\.{name}\b", TEXT)
    assert bool(read) is (name not in NOT_YET), name


@pytest.mark.parametrize("name", sorted(outputs()))
def test_output_is_read_by_a_command_or_named_by_a_page(name: str) -> None:
    files = (file for folder in ("ops", "sandbox", "docs") for file in (ROOT / folder).rglob("*"))
    users = "".join(file.read_text() for file in files if file.suffix in {".py", ".md"})
    assert bool(re.search(rf"\b{name}\b", users)) is (name not in NOT_YET), name
