"""A change of one setting changes the resources that it is about, and no others.

What each is about is in settings_matrix.toml: another value than the environment's and, by layer and
type, what then changes, is added (+) and is removed (-). A feature that is off leaves nothing behind: what
turning it on adds is not there before.

Each setting alone is a long test; every day those that are about different things change together.
"""

import contextlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]  # has no annotations

from contract.stack_policy import IRREPLACEABLE, STATEFUL
from ops import protection
from ops.console import CliError
from ops.replacements import Loss, losses
from stacks.settings import Settings, SettingsError, keys, load_settings
from stacks.settings.model import Lasting
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
    environment, others = case.get("environment", "prod"), case.get("with", {})
    before = synthesise(environment, others)
    if key == "environment":  # it names the file, and nothing else may override it
        return before, synthesise.of(before.settings.model_copy(update={key: case["value"]}))
    return before, synthesise(environment, others | {key: case["value"]})


def together() -> Iterator[dict[str, Any]]:
    """Yield settings of prod that need no others and whose changes differ, as one change."""
    left = {key: case for key, case in MATRIX.items() if case.keys() <= {"value", "changes"}}
    while left:
        changed: set[str] = set()
        overrides: dict[str, Any] = {}
        for key, case in list(left.items()):
            if changed.isdisjoint(case["changes"]) and case["changes"] != EVERYTHING:
                with contextlib.suppress(SettingsError):  # they cannot be combined
                    load_settings("prod", overrides=overrides | {key: case["value"]})
                    overrides[key] = case["value"]
                    changed.update(case["changes"])
            if key in overrides or case["changes"] == EVERYTHING:
                del left[key]
        yield {"value": overrides, "changes": sorted(changed)}


def test_table_has_every_setting() -> None:
    assert list(MATRIX) == list(keys()), f"write into {FILE.name}, in this order, what a setting changes"


@pytest.mark.parametrize("case", list(together()), ids=lambda case: next(iter(case["value"])))
def test_settings_change_what_they_are_about_alone(case: dict[str, Any], synthesise: Synthesiser) -> None:
    found = set(changes(synthesise("prod"), synthesise("prod", case["value"])))
    assert sorted(found) == case["changes"], f"changed together: {case['value']}"


@pytest.mark.long
@pytest.mark.parametrize("key", MATRIX)
def test_setting_changes_what_it_is_about_alone(key: str, synthesise: Synthesiser) -> None:
    before, after = pair(key, MATRIX[key], synthesise)
    found = set(changes(before, after))
    if MATRIX[key]["changes"] == EVERYTHING:
        assert not {change for change in found if change[0] in "+-"}
    else:
        assert sorted(found) == MATRIX[key]["changes"]


@pytest.mark.long
@pytest.mark.parametrize("key", [key for key in MATRIX if key not in MOVES_STACKS])
def test_setting_can_be_changed_and_changed_back(key: str, synthesise: Synthesiser) -> None:
    """What another stack imports must not go before that stack is updated, which is after."""
    before, after = pair(key, MATRIX[key], synthesise)
    stuck = locked(before, after) | locked(after, before)
    assert bool(stuck) == ("transition" in MATRIX[key]), stuck


def create_only(kind: str) -> frozenset[str]:
    """Return what a resource keeps as long as it lives, as the schema of its type has it."""
    if kind.startswith("Custom::"):
        return frozenset()
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return frozenset(path.split("/")[2] for path in schema.get("createOnlyProperties", ()))


def lasting(key: str) -> bool:
    """Return whether, by the reference, a setting cannot be changed at will after the first deployment."""
    model: Any = Settings
    *sections, name = key.split(".")
    for section in sections:
        model = model.model_fields[section].annotation
    return any(isinstance(each, Lasting) for each in model.model_fields[name].metadata)


def templates(platform: Synthesised) -> dict[str, dict[str, Any]]:
    return {stack.layer: platform.template(stack.layer) for stack in platform.assembly.stacks}


def keeps_its_name(loss: Loss, before: Synthesised, after: Synthesised) -> bool:
    """Return whether what is replaced and its replacement would have one name, which AWS refuses."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", loss.type).schema
    names = [path.split("/")[2] for path in schema["primaryIdentifier"]]
    old, new = (
        [
            platform.template(loss.stack)["Resources"][loss.logical_id].get("Properties", {}).get(n)
            for n in names
        ]
        for platform in (before, after)
    )
    return old == new and None not in old


@pytest.mark.long
@pytest.mark.parametrize("key", [key for key in MATRIX if key not in MOVES_STACKS])
def test_setting_that_would_replace_what_must_stay_says_that_it_is_fixed(
    key: str, synthesise: Synthesiser
) -> None:
    states = pair(key, MATRIX[key], synthesise)
    replaced = [
        loss
        for before, after in (states, states[::-1])
        for loss in losses(templates(before), templates(after), create_only)
        if loss.properties and (loss.type in STATEFUL | IRREPLACEABLE or keeps_its_name(loss, before, after))
    ]
    assert not replaced or lasting(key), replaced


@pytest.mark.long
def test_settings_that_say_that_they_are_fixed_would_replace_something(synthesise: Synthesiser) -> None:
    cases = {key: MATRIX[key] for key in MATRIX if lasting(key) and key not in MOVES_STACKS}
    cases["network.zones"] = {"environment": "dev", "value": ["b", "a", "c"]}
    for key, case in cases.items():
        before, after = map(templates, pair(key, case, synthesise))
        assert any(loss.properties for loss in losses(before, after, create_only)), key


@pytest.mark.long
@pytest.mark.parametrize("key", [key for key in MATRIX if lasting(key) and key not in MOVES_STACKS])
def test_change_of_a_fixed_setting_is_refused_by_its_name(key: str, synthesise: Synthesiser) -> None:
    before, after = map(templates, pair(key, MATRIX[key], synthesise))
    with pytest.raises(CliError, match=re.escape(f"({key})")):
        protection.refuse(after, before)


def test_zones_are_refused_but_for_one_more_at_the_end(synthesise: Synthesiser) -> None:
    ids = ("use1-az1", "use1-az2")
    two, three, other, by_id = (
        templates(synthesise("dev", {"network.zones": list(zones)})) for zones in ("ab", "abc", "bac", ids)
    )
    protection.refuse(two, three)
    for before, after in ((three, two), (three, other), (two, by_id), (by_id, two)):
        with pytest.raises(CliError, match=r"\(network.zones\)") as raised:
            protection.refuse(before, after)
        assert "zonal shift" in str(raised.value.remedy)


def test_https_with_a_second_target_group_is_refused(synthesise: Synthesiser) -> None:
    """The new rule would send all requests to the first group, and the second may be the one that serves."""
    others = {"deployment.alternate_target_group": True}
    certificate = MATRIX["load_balancer.certificate_arn"]["value"]
    http, https, alone = (
        templates(synthesise("dev", overrides))
        for overrides in (others, others | {"load_balancer.certificate_arn": certificate}, {})
    )
    for before, after in ((http, https), (https, http)):
        with pytest.raises(CliError, match=r"\(load_balancer.certificate_arn or domain.name\)") as raised:
            protection.refuse(before, after)
        assert "alternate_target_group = false first" in str(raised.value.remedy)
    protection.refuse(http, alone)


def test_settings_that_move_stacks_say_so() -> None:
    assert {key for key in MATRIX if "." not in key and lasting(key)} == MOVES_STACKS
