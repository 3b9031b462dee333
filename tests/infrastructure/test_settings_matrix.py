"""A change of one setting changes the resources that it is about, and no others.

What each is about stands in settings_matrix.toml: another value than the environment's and, by layer and
type, what then changes, is added (+) and is removed (-). A feature that is off leaves nothing behind: what
turning it on adds is not there before.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stacks.settings import keys
from tests.infrastructure.synthesis import Synthesised, Synthesiser

FILE = Path(__file__).with_name("settings_matrix.toml")
MATRIX: Mapping[str, dict[str, Any]] = tomllib.loads(FILE.read_text())
# Names are in the properties of nearly everything; but nothing comes or goes.
EVERYTHING = ["everything"]
# They make other stacks rather than change them.
MOVES_STACKS = {"name", "environment", "account", "region"}
_HASH = re.compile(r"[0-9a-f]{64}")


def parts(platform: Synthesised) -> dict[tuple[str, str], str]:
    """Return all that there is in the templates, each part as text, by what it is called and what it is."""
    found: dict[tuple[str, str], str] = {}
    manifest = json.loads((platform.assembly.directory / "manifest.json").read_text())["artifacts"]
    for stack in platform.assembly.stacks:
        template = platform.template(stack.layer)
        for logical_id, resource in template.pop("Resources").items():
            found[f"{stack.layer} {resource['Type']}", logical_id] = text(resource)
        for name, output in template.pop("Outputs", {}).items():
            found[f"{stack.layer} output", name] = text(output)
        properties = manifest[stack.id]["properties"]
        kept = {key: properties.get(key) for key in ("terminationProtection", "tags")}
        found[f"{stack.layer} stack", ""] = text(
            [stack.name, stack.account, stack.region, template, kept, sorted(stack.depends_on)]
        )
    return found


def text(part: object) -> str:
    return _HASH.sub("<hash>", json.dumps(part, sort_keys=True))


def changes(before: Synthesised, after: Synthesised) -> Iterator[str]:
    old, new = parts(before), parts(after)
    for identity in old.keys() | new.keys():
        if identity not in old:
            yield f"+ {identity[0]}"
        elif identity not in new:
            yield f"- {identity[0]}"
        elif old[identity] != new[identity]:
            yield identity[0]


def locked(before: Synthesised, after: Synthesised) -> set[str]:
    """Return exports that go before the stack that imports them is updated, which CloudFormation refuses."""
    imported = set(re.findall(r'"Fn::ImportValue": "([^"]+)"', "".join(parts(before).values())))
    return imported - {name for stack in after.assembly.stacks for name in stack.exports}


def pair(key: str, case: Mapping[str, Any], synthesise: Synthesiser) -> tuple[Synthesised, Synthesised]:
    environment, beside = case.get("environment", "prod"), case.get("with", {})
    before = synthesise(environment, beside)
    if key == "environment":  # it names the file, and nothing else may override it
        return before, synthesise.of(before.settings.model_copy(update={key: case["value"]}))
    return before, synthesise(environment, beside | {key: case["value"]})


def test_table_has_every_setting() -> None:
    assert list(MATRIX) == list(keys()), f"write into {FILE.name}, in this order, what a setting changes"


@pytest.mark.parametrize("key", MATRIX)
def test_setting_changes_what_it_is_about_alone(key: str, synthesise: Synthesiser) -> None:
    before, after = pair(key, MATRIX[key], synthesise)
    found = set(changes(before, after))
    if MATRIX[key]["changes"] == EVERYTHING:
        assert not {change for change in found if change[0] in "+-"}
    else:
        assert sorted(found) == MATRIX[key]["changes"]


@pytest.mark.parametrize("key", [key for key in MATRIX if key not in MOVES_STACKS])
def test_setting_can_be_changed_and_changed_back(key: str, synthesise: Synthesiser) -> None:
    """What another stack imports must not go before that stack is updated, which is after."""
    before, after = pair(key, MATRIX[key], synthesise)
    stuck = locked(before, after) | locked(after, before)
    assert bool(stuck) == ("transition" in MATRIX[key]), stuck
