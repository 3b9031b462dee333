"""Types without behaviour are like AWS's, whose schemas cfn-lint brings along."""

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]  # it ships no types

from sandbox.plugin.types_without_behaviour import TYPES_WITHOUT_BEHAVIOUR

AWS_TYPES = [name for name in TYPES_WITHOUT_BEHAVIOUR if name.startswith("AWS::")]


def top_level(pointers: list[str] | None) -> set[str]:
    """Return the properties named themselves, not those of which a part is named."""
    return {pointer.split("/")[2] for pointer in pointers or [] if pointer.count("/") == 2}


@pytest.mark.parametrize("resource_type", AWS_TYPES)
def test_the_properties_that_replace_are_those_of_the_schema(resource_type: str) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource_type).schema
    writable = set(schema["properties"]) - top_level(schema.get("readOnlyProperties"))
    ours = {name for name in writable if name in TYPES_WITHOUT_BEHAVIOUR[resource_type].replaces}
    assert ours == top_level(schema.get("createOnlyProperties"))


@pytest.mark.parametrize("resource_type", AWS_TYPES)
def test_the_attributes_are_those_of_the_schema(resource_type: str) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource_type)
    assert set(TYPES_WITHOUT_BEHAVIOUR[resource_type].attributes) <= set(schema.get_atts)
